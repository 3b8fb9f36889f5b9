"""The cells of all strides, numbered through: which are above a threshold, and what is said of them.

Quantized numbers are compared as they are; only those of the cells that are asked for become float32.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from yolorknn.model.values import Quantized, Values, floats, limit, numbers_of, ordered
from yolorknn.tasks.task import Floats, Ints


class _Buffers(threading.local):
    """A thread's own arrays over all anchors, by their number and type: each one's best score, and a mask."""

    def __init__(self) -> None:
        self._arrays: dict[tuple[int, Any], tuple[NDArray[Any], NDArray[np.bool_]]] = {}

    def of(self, anchors: int, dtype: np.dtype[Any]) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        if (anchors, dtype) not in self._arrays:
            self._arrays[anchors, dtype] = np.empty(anchors, dtype), np.empty(anchors, np.bool_)
        return self._arrays[anchors, dtype]


_buffers = _Buffers()


def above(parts: Sequence[Values], conf: float) -> tuple[Ints, Floats | None]:
    """Return the cells whose best class is above `conf`, ascending, and its score where that is at hand as float32.

    Args:
        parts: an output (1, classes, ...) for each stride.
        conf: threshold, exclusive.
    """
    if len({(numbers_of(part).dtype, isinstance(part, Quantized)) for part in parts}) > 1:
        parts = [floats(part) for part in parts]  # a hybrid's
    ranked = [ordered(part) for part in parts]
    ranked = [numbers.reshape(numbers.shape[1], -1) for numbers in ranked]
    starts = _starts(tuple([numbers.shape[1] for numbers in ranked]))
    ceiling, above = _buffers.of(starts[-1], ranked[0].dtype)
    for numbers, start, stop in zip(ranked, starts, starts[1:], strict=False):
        # numpy's is as fast as OpenCV's or faster on any CPU for float32, and knows int8, which OpenCV's does not
        np.maximum.reduce(numbers, axis=0, out=ceiling[start:stop])
    limits: Any = conf
    if ranked[0].dtype != np.float32:
        scaling = tuple([part[1:] if isinstance(part, Quantized) else (1.0, 0) for part in parts])
        limits = _limits(starts, numbers_of(parts[0]).dtype.name, scaling, conf)
    cell = np.greater(ceiling, limits, out=above).nonzero()[0]
    if ranked[0].dtype == np.float32:
        return cell, ceiling.take(cell)
    if not isinstance(parts[0], Quantized):
        return cell, None  # among float16's bits may be those of no number
    best = ceiling.take(cell).astype(np.float32)
    scale, zero_point = _factors(starts, scaling).take(cell, axis=1)
    best -= zero_point
    best *= scale
    return cell, best


def values_at(parts: Sequence[Values], cell: Ints) -> Floats:
    """Return the values of some cells, as float32 (channels, N).

    Args:
        parts: an output (1, channels, ...) for each stride.
        cell: their numbers, ascending.
    """
    tables = [numbers_of(part) for part in parts]
    tables = [numbers.reshape(numbers.shape[1], -1) for numbers in tables]
    starts = _starts(tuple([numbers.shape[1] for numbers in tables]))
    cuts = cell.searchsorted(starts)
    scaling = tuple([part[1:] for part in parts if isinstance(part, Quantized)])
    alike = len(scaling) in (0, len(parts))
    pieces = []
    for part, numbers, start, low, high in zip(parts, tables, starts, cuts, cuts[1:], strict=False):
        if low < high:
            piece = numbers.take(cell[low:high] - start, axis=1)
            if not alike:  # a hybrid's
                piece = floats(part._replace(numbers=piece) if isinstance(part, Quantized) else piece)
            pieces.append(piece)
    joined = np.concatenate(pieces, axis=1) if pieces else np.zeros((tables[0].shape[0], 0), np.float32)
    joined = joined.astype(np.float32, copy=False)
    if alike and scaling:
        scale, zero_point = _factors(starts, scaling).take(cell, axis=1)
        joined -= zero_point
        joined *= scale
    return joined


@lru_cache
def _starts(sizes: tuple[int, ...]) -> tuple[int, ...]:
    """Return the number of each part's first cell, and behind them that of all."""
    return (0, *itertools.accumulate(sizes))


@lru_cache
def _limits(starts: tuple[int, ...], dtype: str, scaling: tuple[tuple[float, int], ...], conf: float) -> NDArray[Any]:
    """Return for each cell the largest number whose value is not above `conf`."""
    each = [limit(dtype, scale, zero_point, conf) for scale, zero_point in scaling]
    limits = np.repeat(each, np.diff(starts)).astype("int16" if dtype == "float16" else dtype)
    limits.flags.writeable = False
    return limits


@lru_cache
def _factors(starts: tuple[int, ...], scaling: tuple[tuple[float, int], ...]) -> Floats:
    """Return each cell's scale and zero point, (2, anchors)."""
    factors: Floats = np.repeat(np.array(scaling, np.float32).T, np.diff(starts), axis=1)
    factors.flags.writeable = False
    return factors
