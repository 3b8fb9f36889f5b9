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
_BITS = {np.dtype(f"f{size}").char: np.dtype(f"u{size}") for size in (2, 4, 8)}


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


def with_numbers(values: Values, numbers: NDArray[Any]) -> Values:
    """Return numbers, some of an output's or in another shape, that stand for what the output's do."""
    return values._replace(numbers=numbers) if isinstance(values, Quantized) else numbers


def floats(values: Values) -> Floats:
    """Return the values as float32; an output that is float32 is returned itself."""
    if not isinstance(values, Quantized):
        return np.asarray(values, np.float32)
    array = values.numbers.astype(np.float32)
    array -= values.zero_point
    array *= values.scale
    return array


def sigmoid(logits: Floats) -> Floats:
    """Return 1 / (1 + exp(-logits)), of any shape."""
    scores: Floats = np.negative(logits)
    np.minimum(scores, 88, out=scores)  # of more, exp is no float32; the score is 0 to 38 places here
    np.exp(scores, out=scores)
    scores += 1
    return np.divide(1, scores, out=scores)


def part(values: Values, index: tuple[int | slice, ...]) -> Floats:
    """Return some of an output's values as float32, indexed as numpy's arrays are."""
    return floats(with_numbers(values, numbers_of(values)[index]))


def usable(dtype: str, scale: float, zero_point: int) -> bool:
    """Tell whether different numbers stand for different values, none of them infinite: on that the integers rest."""
    if dtype not in INTEGERS or not math.isfinite(scale):
        return False
    limits, kinds = np.iinfo(dtype), np.finfo(np.float32)
    span = 2.0 * (int(limits.max) - int(limits.min))
    return float(kinds.tiny) <= scale <= float(kinds.max) / span and limits.min <= zero_point <= limits.max


def comparable(values: Values) -> NDArray[Any]:
    """Return numbers in the order of the values, as far as these are not negative; no copy.

    Of floats it is their bits: exponent and fraction, which as an integer grow with the value. What has a sign, and
    NaN, is above all of them.
    """
    numbers = numbers_of(values)
    bits = _BITS.get(numbers.dtype.char)
    return numbers if bits is None else numbers.view(bits)


@lru_cache(maxsize=256)
def limit(dtype: str, scale: float, zero_point: int, threshold: float) -> int:
    """Return the largest number whose value is not above `threshold`, which is not negative.

    Args:
        dtype: of the numbers: one of INTEGERS, "float16" or "float32", of which it is the bits; see comparable().
        scale: of Quantized.
        zero_point: of Quantized.
        threshold: compared in float32, as it is with an output of float32.
    """
    if dtype == "float32":
        return int(np.array(threshold or 0.0, np.float32).view(np.uint32))  # -0.0 has a bit
    if dtype == "float16":
        bits = np.arange(0x7C01, dtype=np.uint16)  # from 0 to infinity
        return int(bits.view(np.float16).astype(np.float32).searchsorted(np.float32(threshold), side="right")) - 1
    least, most = int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)
    numbers = np.arange(least, most + 1).astype(dtype)
    return least - 1 + int(floats(Quantized(numbers, scale, zero_point)).searchsorted(np.float32(threshold), "right"))
