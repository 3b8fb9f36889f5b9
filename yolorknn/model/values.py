"""The numbers of an output and the values they stand for: float32 as it is, float16, or quantized integers.

A chip computes in int8. Of the million numbers of a frame only a few thousand are ever looked at, so they stay as they
are: what is compared is compared as integers, what is chosen becomes float32. As `floats` is strictly monotonic, both
ways find the same.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from yolorknn.model.metadata import Tensor

Floats: TypeAlias = NDArray[np.float32]
INTEGERS = ("int8", "uint8", "int16")
"""The types in which a chip quantizes."""


class Quantized(NamedTuple):
    """Integers, and how they become values: scale * (number - zero_point), in float32."""

    numbers: NDArray[Any]
    scale: float
    zero_point: int

    @property
    def shape(self) -> tuple[int, ...]:
        """As of the numbers."""
        return self.numbers.shape


Values: TypeAlias = NDArray[Any] | Quantized
"""An output: an array of float32 or float16, or Quantized."""


def values_of(array: NDArray[Any], tensor: Tensor) -> Values:
    """Return an output of a session with what its Tensor says of it."""
    if tensor.scale is None or tensor.zero_point is None:
        return array.astype(np.float32) if array.dtype == np.float64 else array  # as torch exports a decoded head
    return Quantized(array, tensor.scale, tensor.zero_point)


def numbers_of(values: Values) -> NDArray[Any]:
    """Return an output's numbers, whatever they stand for."""
    return values.numbers if isinstance(values, Quantized) else values


def floats(values: Values) -> Floats:
    """Return the values as float32; an output that is float32 is returned itself."""
    if not isinstance(values, Quantized):
        return np.asarray(values, np.float32)
    array = values.numbers.astype(np.float32)
    array -= values.zero_point
    array *= values.scale
    return array


def columns(values: Values, index: NDArray[np.int64]) -> Floats:
    """Return the values of some cells of an output (1, channels, ...), as float32 (channels, N).

    Args:
        values: the output.
        index: the cells, numbered row by row.
    """
    numbers = numbers_of(values)
    chosen = numbers.reshape(numbers.shape[1], -1).take(index, axis=1)
    return floats(values._replace(numbers=chosen) if isinstance(values, Quantized) else chosen)


def part(values: Values, index: tuple[int | slice, ...]) -> Floats:
    """Return some of an output's values as float32, indexed as numpy's arrays are."""
    chosen = numbers_of(values)[index]
    return floats(values._replace(numbers=chosen) if isinstance(values, Quantized) else chosen)


def usable(dtype: str, scale: float, zero_point: int) -> bool:
    """Tell whether different numbers stand for different values, none of them infinite: on that the integers rest."""
    if dtype not in INTEGERS or not math.isfinite(scale):
        return False
    limits, kinds = np.iinfo(dtype), np.finfo(np.float32)
    span = 2.0 * (int(limits.max) - int(limits.min))
    return float(kinds.tiny) <= scale <= float(kinds.max) / span and limits.min <= zero_point <= limits.max


def ordered(values: Values) -> NDArray[Any]:
    """Return numbers that are in the order of the values, as far as these are above 0; no copy.

    The bits of a float16 are: a sign, then exponent and fraction, which as an integer grow with the value.
    """
    numbers = numbers_of(values)
    return numbers.view(np.int16) if numbers.dtype == np.float16 else numbers


@lru_cache(maxsize=256)
def limit(dtype: str, scale: float, zero_point: int, threshold: float) -> int:
    """Return the largest number whose value is not above `threshold`, which is not negative.

    Args:
        dtype: of the numbers: one of INTEGERS, or "float16" for the bits of one as `ordered` has them.
        scale: of Quantized.
        zero_point: of Quantized.
        threshold: compared in float32, as it is with an output of float32.
    """
    if dtype == "float16":
        bits = np.arange(0x7C01, dtype=np.uint16)  # from 0 to infinity
        return int(bits.view(np.float16).astype(np.float32).searchsorted(np.float32(threshold), side="right")) - 1
    least, most = int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)
    numbers = np.arange(least, most + 1).astype(dtype)
    return least - 1 + int(floats(Quantized(numbers, scale, zero_point)).searchsorted(np.float32(threshold), "right"))
