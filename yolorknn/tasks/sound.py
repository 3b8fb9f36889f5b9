"""Whether outputs can be what they are taken for: a score is from 0 to 1, and no number is NaN."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from yolorknn.errors import InferenceError
from yolorknn.model.values import Quantized, Values, floats, numbers_of
from yolorknn.tasks.task import Floats, Ints

TOLERANCE = 1 / 256
"""How far a chip's rounding may bring a score beyond 0 and 1."""
HINT = "the model is another than it says, or broken; 'yolorknn info' tells what its outputs are taken for"


def check_scores(scores: Sequence[tuple[str, Values]]) -> None:
    """Refuse scores that are none.

    Args:
        scores: outputs, or parts of them, each with its name.

    Raises:
        InferenceError: one is above 1, below 0, or NaN; the output is named.
    """
    for name, values in scores:
        numbers = numbers_of(values)
        if numbers.size == 0 or _sound(values):
            continue
        exact = floats(values)
        if np.isnan(exact).any():
            raise InferenceError(f"output {name} has NaN among its scores: {HINT}")
        low, high = float(exact.min()), float(exact.max())
        if low < -TOLERANCE or high > 1 + TOLERANCE:
            odd = low if low < -TOLERANCE else high
            raise InferenceError(f"output {name} has a score of {odd:.4g}, but scores are from 0 to 1: {HINT}")


def check_numbers(values: Floats, names: Sequence[str], sizes: Sequence[int], cell: Ints) -> None:
    """Refuse NaN in what is said of some cells.

    Args:
        values: (channels, N).
        names: the output of each stride.
        sizes: cells of each stride.
        cell: the number that each of the N has, over all strides.

    Raises:
        InferenceError: the output that has it is named.
    """
    odd = np.isnan(values).any(axis=0)
    if odd.any():
        number = int(np.searchsorted(np.cumsum(sizes), cell[odd.argmax()], side="right"))
        raise InferenceError(f"output {names[number]} has NaN where something was found: {HINT}")


def _sound(values: Values) -> bool:
    """Return whether all are from 0 to 1; where only a slower look can tell, False."""
    numbers = numbers_of(values).reshape(-1)  # of one axis, as otherwise numpy allocates a buffer for it
    if isinstance(values, Quantized):
        limits = np.iinfo(numbers.dtype)
        low, high = _limits(values.scale, values.zero_point)
        lowest = limits.min if low <= limits.min else int(np.minimum.reduce(numbers))
        highest = limits.max if high >= limits.max else int(np.maximum.reduce(numbers))
        return low <= lowest and highest <= high
    # As unsigned integers the bits of floats from 0 to 1 are in their order, and those of all others above.
    bits = np.dtype(f"u{numbers.dtype.itemsize}")
    return bool(np.maximum.reduce(numbers.view(bits)) <= np.ones(1, numbers.dtype).view(bits)[0])


@lru_cache(maxsize=256)
def _limits(scale: float, zero_point: int) -> tuple[float, float]:
    """Return the numbers between which the values are from 0 to 1, with a step or the tolerance to spare."""
    spare = max(TOLERANCE, scale) / scale
    return zero_point - spare, zero_point + 1 / scale + spare
