"""How good a model's outputs are: a user's own measure, or how far they agree with the float model's."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from yolorknn.errors import BuildError
from yolorknn.runtime.agreeing import cosine_of, paired, same_largest

Outputs: TypeAlias = list[dict[str, NDArray[Any]]]
Files: TypeAlias = list[tuple[Path, ...]]
Metric: TypeAlias = Callable[[Outputs, Files], float]
"""Of the outputs of each row, and the row's files: how good they are, 1 being the best; a point is 0.01."""
AGREEMENT = "agreement"
"""The measure without a metric: how often the largest value is where the float model's is; of one value, the cosine."""


def read_metric(text: str) -> Metric:
    """Return the function that --metric names: module:function, or file.py:function. Its code is run.

    A module of the current folder goes before an installed one. What it imports may lie beside it.

    Raises:
        BuildError: there is none, or its file or module raises; the function itself does so where it raises.
    """
    place, mark, name = text.rpartition(":")
    try:
        if not mark:
            raise AttributeError("there is no colon in it")
        function = getattr(_imported(place), name)
    except (ModuleNotFoundError, AttributeError, FileNotFoundError) as exc:
        if (where := _line(exc)) is None:
            raise BuildError(
                f"--metric {text} is no function: give module:function or file.py:function ({exc})"
            ) from exc
        raise BuildError(f"--metric {text}: {_said(exc)}{where}") from exc
    except (Exception, SystemExit) as exc:
        raise BuildError(f"--metric {text}: {_said(exc)}{_line(exc) or ''}") from exc
    if not callable(function):
        raise BuildError(f"--metric {text} is {type(function).__name__} and no function: give module:function")

    def measured(outputs: Outputs, files: Files) -> float:
        try:
            value: float = function(outputs, files)
        except Exception as exc:
            raise BuildError(f"--metric {text}: {_said(exc)}{_line(exc) or ''}") from exc
        return value

    return measured


def _imported(place: str) -> ModuleType:
    """Import a module or file, which finds what lies beside it: now as in a script, from then on behind all else."""
    is_file = place.endswith(".py")
    folder = str(Path(place).resolve().parent) if is_file else str(Path.cwd())
    sys.path.insert(0, folder)
    try:
        if not is_file:
            return importlib.import_module(place)
        name = f"metric_{Path(place).stem}"
        spec = importlib.util.spec_from_file_location(name, place)
        assert spec is not None and spec.loader is not None, place
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module  # where dataclasses look for it
        spec.loader.exec_module(module)
        return module
    finally:
        sys.path.remove(folder)
        if folder not in sys.path:
            sys.path.append(folder)


def _said(exc: BaseException) -> str:
    """Return what an exception says, in a line."""
    lines = str(exc).strip().splitlines()
    return type(exc).__name__ + (f": {lines[0]}" if lines else "")


def _line(exc: BaseException) -> str | None:
    """Return where in code of the user's an exception was raised; None where it was not raised by that."""
    frames = traceback.extract_tb(exc.__traceback__)
    own = [frame for frame in frames if frame.filename != __file__ and "importlib" not in frame.filename]
    return f" ({own[-1].filename}, line {own[-1].lineno})" if own else None


def agreeing(floating: Mapping[str, NDArray[Any]], found: Mapping[str, NDArray[Any]]) -> float:
    """Return how far outputs agree, 0 to 1: the mean over them, by order, as names may differ."""
    shares = []
    for first, second in paired(floating, found):
        share = same_largest(first, second)
        shares.append(max(cosine_of(first, second) or 0.0, 0.0) if share is None else share)
    return float(np.mean(shares))
