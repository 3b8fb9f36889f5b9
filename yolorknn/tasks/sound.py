"""Whether outputs can be what they are taken for: a score is from 0 to 1, a sum no less, and no number is NaN."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from yolorknn.errors import InferenceError
from yolorknn.model.values import Quantized, Values, floats
from yolorknn.tasks.task import Floats, Ints

TOLERANCE = 1 / 256
"""How far a chip's rounding may bring a score beyond 0 and 1."""
LESS = 0.1
"""By how much a sum of scores may be less than one of them: in int8 each is rounded, and the sum perhaps cut off; of
YOLOv8n it is 0.002 at most, however its ranges are chosen."""
HINT = "the model is another than it says, or broken; 'yolorknn info' tells what its outputs are taken for"


def check_scores(name: str, scores: NDArray[Any]) -> None:
    """Refuse scores that are none.

    Args:
        name: the output that they are of.
        scores: some or all of them, of any float type.

    Raises:
        InferenceError: one is above 1, below 0, or NaN; the output is named.
    """
    if scores.size == 0:
        return
    low, high = float(scores.min()), float(scores.max())
    if math.isnan(low):
        raise InferenceError(f"output {name} has NaN among its scores: {HINT}")
    if low < -TOLERANCE or high > 1 + TOLERANCE:
        odd = low if low < -TOLERANCE else high
        raise InferenceError(f"output {name} has a score of {odd:.4g}, but scores are from 0 to 1: {HINT}")


def check_sums(name: str, sums: Floats, scores: Floats) -> None:
    """Refuse sums of scores that are none: a .rknn shows no difference to an objectness, or an angle after a sigmoid.

    Args:
        name: the output that they are of.
        sums: of some cells, (N,).
        scores: of these, (classes, N).

    Raises:
        InferenceError: a class has clearly more than all classes together.
    """
    best = np.maximum.reduce(scores, axis=0)
    more = best - sums
    if more.size and float(np.maximum.reduce(more)) > LESS:
        at = int(more.argmax())
        raise InferenceError(
            f"output {name} has {sums[at]:.2f} where a class has {best[at]:.2f}, so that it is no sum of scores: {HINT}"
        )


def check_quantized(outputs: Sequence[tuple[str, Values]]) -> None:
    """Do the same with those outputs that are quantized; most cannot be wrong, see are_scores().

    Raises:
        InferenceError: see check_scores().
    """
    for name, values in outputs:
        if not isinstance(values, Quantized):
            continue
        low, high = _limits(values.numbers.dtype, values.scale, values.zero_point)
        numbers = values.numbers.reshape(-1)  # of one axis, as otherwise numpy allocates a buffer for it
        if numbers.size and (
            (low is not None and np.minimum.reduce(numbers) < low)
            or (high is not None and np.maximum.reduce(numbers) > high)
        ):
            check_scores(name, floats(values))


def are_scores(dtype: np.dtype[Any], scale: float, zero_point: int) -> bool:
    """Return whether every number of a quantized output stands for what can be a score."""
    return _limits(dtype, scale, zero_point) == (None, None)


def check_numbers(values: Floats, named: Iterable[tuple[str, int]], cell: Ints) -> None:
    """Refuse NaN in what is said of some cells.

    Args:
        values: (channels, N).
        named: the output of each stride, and its cells; read only where there is NaN.
        cell: the number that each of the N has, over all strides.

    Raises:
        InferenceError: the output that has it is named.
    """
    if values.size and math.isnan(np.maximum.reduce(values, axis=None)):
        names, sizes = zip(*named, strict=True)
        odd = np.isnan(values).any(axis=0)
        number = int(np.searchsorted(np.cumsum(sizes), cell[odd.argmax()], side="right"))
        raise InferenceError(f"output {names[number]} has NaN where something was found: {HINT}")


@lru_cache(maxsize=256)
def _limits(dtype: np.dtype[Any], scale: float, zero_point: int) -> tuple[float | None, float | None]:
    """Return the numbers between which the values are scores to check_scores(), whatever the scale is.

    None where the type has no number beyond.
    """
    limits = np.iinfo(dtype)
    low, high = zero_point - TOLERANCE / scale, zero_point + (1 + TOLERANCE) / scale
    return (low if low > limits.min else None), (high if high < limits.max else None)
