"""The cells of all strides, numbered through: which are above a threshold, and what is said of them.

Quantized numbers are compared as they are, and floats by their bits; only those of the cells that are asked for become
float32. All scores are gone through once, as what can be no score is among the highest.
"""

from __future__ import annotations

import itertools
import math
import threading
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from yolorknn.model.values import Quantized, Values, comparable, floats, limit, numbers_of, with_numbers
from yolorknn.tasks.sound import are_scores, check_quantized, check_scores
from yolorknn.tasks.task import Floats, Ints


class Places(NamedTuple):
    """Where cells are that are numbered through."""

    cell: Ints
    """Their numbers, (N,), ascending."""
    starts: Ints
    """The number of each part's first cell, and behind them that of all."""
    columns: Sequence[Ints]
    """Those of each part, counted from its own first cell."""
    back: Ints | None = None
    """Which of them come in turn, where another order was asked for."""

    @classmethod
    def of(cls, cell: Ints, starts: Ints) -> Places:
        """Return where ascending cells are."""
        cuts = cell.searchsorted(starts).tolist()
        spans = zip(starts.tolist(), itertools.pairwise(cuts), strict=False)
        return cls(cell, starts, [cell[low:high] - start if start else cell[:high] for start, (low, high) in spans])

    @classmethod
    def of_any(cls, cell: Ints, parts: Sequence[Values]) -> Places:
        """Return where cells in any order, (N,), are in outputs, one for each stride."""
        order = cell.argsort(kind="stable")
        back = np.empty_like(order)
        back[order] = np.arange(len(order))
        return cls.of(cell.take(order), _plan(_kinds(parts)).starts)._replace(back=back)

    def take(self, index: Ints) -> Places:
        """Return some of ascending ones, chosen by ascending indices."""
        return Places.of(self.cell.take(index), self.starts)


class Scores(NamedTuple):
    """Scores above a threshold, (N,) each, ordered by cell, then class."""

    places: Places
    class_id: Ints
    score: Floats


NONE = np.zeros(0, np.int64)
NO_SCORES = Scores(Places(NONE, NONE, ()), NONE, np.zeros(0, np.float32))


class _Buffers(threading.local):
    """A thread's own arrays over all cells, by their number and type: each one's highest score, and a mask."""

    def __init__(self) -> None:
        self._arrays: dict[tuple[int, Any], tuple[NDArray[Any], NDArray[np.bool_]]] = {}

    def of(self, cells: int, dtype: np.dtype[Any]) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        if (cells, dtype) not in self._arrays:
            self._arrays[cells, dtype] = np.empty(cells, dtype), np.empty(cells, np.bool_)
        return self._arrays[cells, dtype]


_buffers = _Buffers()


class _Plan(NamedTuple):
    """What is known of outputs before their numbers are: parts, one a stride, whose cells are numbered through."""

    alike: bool
    """Whether all are of one type; those of a hybrid are not."""
    starts: Ints
    """See Places."""
    factors: Floats | None
    """(2, cells): each cell's scale and zero point, where all parts are quantized."""
    scores: bool
    """Whether every number that a quantized part can have may be a score; see sound.check_quantized()."""


_Kind: TypeAlias = tuple[np.dtype[Any], tuple[int, ...], float | None, int | None]


def _kinds(parts: Sequence[Values]) -> tuple[_Kind, ...]:
    """Return what plans are made for: each part's type, shape, scale and zero point."""
    return tuple(
        [
            (part.numbers.dtype, part.numbers.shape, part.scale, part.zero_point)
            if isinstance(part, Quantized)
            else (part.dtype, part.shape, None, None)
            for part in parts
        ]
    )


@lru_cache
def _plan(kinds: tuple[_Kind, ...]) -> _Plan:
    alike = len({(dtype, scale is None) for dtype, _, scale, _ in kinds}) == 1
    cells = [math.prod(shape[2:]) for _, shape, _, _ in kinds]
    factors = None
    if alike and kinds[0][2] is not None:
        factors = np.repeat(np.array([kind[2:] for kind in kinds], np.float32).T, cells, axis=1)
    starts = np.cumsum([0, *cells])
    scores = all(scale is None or are_scores(dtype, scale, zero_point or 0) for dtype, _, scale, zero_point in kinds)
    return _Plan(alike, starts, factors, scores)


class _Search(NamedTuple):
    """What scores above a threshold are found by."""

    plan: _Plan
    limits: NDArray[Any]
    """For each cell what comparable() scores above the threshold are above, in their type."""
    most: int | None
    """Of floats, what comparable() makes of 1, beyond which none is a score."""


@lru_cache
def _search(kinds: tuple[_Kind, ...], conf: float) -> _Search:
    """Return how the scores above `conf` are found."""
    plan, first = _plan(kinds), np.ones(1, kinds[0][0])
    each = [limit(dtype.name, scale or 1.0, zero_point or 0, conf) for dtype, _, scale, zero_point in kinds]
    limits = np.repeat(each, [math.prod(shape[2:]) for _, shape, _, _ in kinds])
    limits = limits.astype(comparable(first).dtype)
    limits.flags.writeable = False
    return _Search(plan, limits, int(comparable(first)[0]) if plan.factors is None else None)


def above(named: Sequence[tuple[str, Values]], conf: float, *, multi_label: bool) -> Scores:
    """Return the scores above `conf`.

    Args:
        named: for each stride an output (1, classes, ...), and before it its name.
        conf: threshold, exclusive.
        multi_label: see chosen().

    Raises:
        InferenceError: an output has what can be no score.
    """
    parts: Sequence[Values] = [values for _, values in named]
    kinds = _kinds(parts)
    plan = _plan(kinds)
    if not plan.scores:
        check_quantized(named)
    if not plan.alike:
        parts = [floats(part) for part in parts]
        kinds = _kinds(parts)
        plan = _plan(kinds)
    tables = [comparable(part) for part in parts]
    tables = [table.reshape(table.shape[1], -1) for table in tables]
    plan, limits, most = _search(kinds, conf)
    highest, mask = _buffers.of(len(limits), limits.dtype)
    for table, (start, stop) in zip(tables, itertools.pairwise(plan.starts.tolist()), strict=True):
        np.maximum.reduce(table, axis=0, out=highest[start:stop])
    cell = np.greater(highest, limits, out=mask).nonzero()[0]
    if len(cell) == 0:
        return NO_SCORES
    places = Places.of(cell, plan.starts)
    top, dtype = highest.take(cell), kinds[0][0]
    odd = most is not None and int(np.maximum.reduce(top)) > most
    if len(tables[0]) == 1 and not odd:
        return Scores(places, np.zeros(len(cell), np.int64), _as_floats(top, dtype, plan, cell))
    pieces = [table.take(column, axis=1) for table, column in zip(tables, places.columns, strict=True)]
    scores = np.concatenate(pieces, axis=1)
    if not (multi_label or odd):
        return Scores(places, scores.argmax(axis=0), _as_floats(top, dtype, plan, cell))
    if odd:
        for (name, values), piece in zip(named, pieces, strict=True):
            if not isinstance(values, Quantized):
                check_scores(name, piece.view(dtype))
    scores = _as_floats(scores, dtype, plan, cell)
    column, class_id = chosen(scores, np.full(len(cell), conf, np.float32), multi_label)
    return Scores(places.take(column), class_id, scores[class_id, column])


def chosen(scores: NDArray[Any], limits: NDArray[Any], multi_label: bool) -> tuple[Ints, Ints]:
    """Return column and class of what is above its column's limit.

    Args:
        scores: (classes, N).
        limits: (N,).
        multi_label: all, rather than each column's highest, which of equal ones is the first class's.
    """
    if multi_label:
        column, class_id = np.greater(scores.T, limits[:, None]).nonzero()
        return column, class_id
    class_id = scores.argmax(axis=0)
    column = (scores[class_id, np.arange(len(class_id))] > limits).nonzero()[0]
    return column, class_id.take(column)


def values_at(parts: Sequence[Values], places: Places) -> Floats:
    """Return the values of some cells, as float32 (channels, N).

    Args:
        parts: an output (1, channels, ...) for each stride.
        places: of above(), with other outputs of these strides, or Places.of_any(), whose order is kept.
    """
    kinds = _kinds(parts)
    plan, dtype = _plan(kinds), kinds[0][0]
    pieces = []
    for part, column in zip(parts, places.columns, strict=True):
        table = numbers_of(part)
        pieces.append(table.reshape(table.shape[1], -1).take(column, axis=1))
    if not plan.alike:
        dtype = np.dtype(np.float32)
        pieces = [floats(with_numbers(part, piece)) for part, piece in zip(parts, pieces, strict=True)]
    values = _as_floats(np.concatenate(pieces, axis=1), dtype, plan, places.cell)
    return values if places.back is None else values.take(places.back, axis=1)


def _as_floats(numbers: NDArray[Any], dtype: np.dtype[Any], plan: _Plan, cell: Ints) -> Floats:
    """Return the values (..., N) of numbers or comparable() ones of a type, of N cells."""
    values: Floats = numbers if numbers.dtype == np.float32 else numbers.view(dtype).astype(np.float32, copy=False)
    if plan.factors is not None:
        scale, zero_point = plan.factors.take(cell, axis=1)
        values -= zero_point
        values *= scale
    return values
