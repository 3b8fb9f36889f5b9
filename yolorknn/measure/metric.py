"""How good a model's outputs are: a user's own measure, or how far they agree with the float model's."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from yolorknn.errors import BuildError
from yolorknn.runtime.agreeing import cosine_of, same_largest

Outputs: TypeAlias = list[dict[str, NDArray[Any]]]
Files: TypeAlias = list[tuple[Path, ...]]
Metric: TypeAlias = Callable[[Outputs, Files], float]
"""Of the outputs of each row, and the row's files: how good they are, 1 being the best; a point is 0.01."""
AGREEMENT = "agreement"
"""The measure without a metric: how often the largest value is where the float model's is; of one value, the cosine."""


def read_metric(text: str) -> Metric:
    """Return the function that --metric names: module:function, or file.py:function. Its code is run.

    Raises:
        BuildError: there is none.
    """
    place, mark, name = text.rpartition(":")
    try:
        if not mark:
            raise AttributeError("no function")
        if place.endswith(".py"):
            spec = importlib.util.spec_from_file_location(Path(place).stem, place)
            assert spec is not None and spec.loader is not None, place
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
        else:
            module = importlib.import_module(place)
        function: Metric = getattr(module, name)
    except (ImportError, AttributeError, OSError, SyntaxError, ValueError) as exc:
        raise BuildError(f"--metric {text} is no function: give module:function or file.py:function ({exc})") from exc
    return function


def agreeing(floating: Mapping[str, NDArray[Any]], found: Mapping[str, NDArray[Any]]) -> float:
    """Return how far outputs agree, 0 to 1: the mean over them, by order, as names may differ."""
    shares = []
    for one, other in zip(floating.values(), found.values(), strict=True):
        first, second = one.astype(np.float64), other.astype(np.float64)
        share = same_largest(first, second)
        shares.append(max(cosine_of(first, second) or 0.0, 0.0) if share is None else share)
    return float(np.mean(shares))
