"""How far the outputs of one model agree that two places give of the same inputs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from yolorknn.errors import InferenceError
from yolorknn.model.platforms import Dtype
from yolorknn.text import printable

Arrays: TypeAlias = Mapping[str, NDArray[Any]]
Values: TypeAlias = NDArray[np.float64]
LIMITS: Mapping[Dtype, float] = {"fp16": 0.999, "i8": 0.99}
"""Cosines below which a place parts from the float model."""


@dataclass(frozen=True)
class Agreeing:
    """How far one output of one place is from the reference's, over all inputs."""

    place: str
    output: str
    cosine: float | None
    """The lowest of an input; 1 where they agree, None where a value is infinite or no number."""
    difference: float | None
    """The largest of a value."""
    argmax: float | None
    """The share, 0 to 1, of places at which the largest value is the same; None where there is one value a place."""


def agreeing(label: str, expected: Sequence[Arrays], found: Sequence[Arrays]) -> Iterator[Agreeing]:
    """Compare what a place found, for each set of inputs, with what was expected: a row an output."""
    every = list(zip(*(paired(one, other) for one, other in zip(expected, found, strict=True)), strict=True))
    for name, pairs in zip(expected[0], every, strict=True):
        cosines = [cosine_of(one, other) for one, other in pairs]
        numbers = [cosine for cosine in cosines if cosine is not None]
        largest = max(float(np.abs(one - other).max(initial=0.0)) for one, other in pairs)
        same = [share for one, other in pairs if (share := same_largest(one, other)) is not None]
        yield Agreeing(
            place=label,
            output=name,
            cosine=min(numbers) if len(numbers) == len(cosines) else None,
            difference=largest if np.isfinite(largest) else None,
            argmax=float(np.mean(same)) if same else None,
        )


def paired(expected: Arrays, found: Arrays) -> list[tuple[Values, Values]]:
    """Pair the outputs of one input by their order, as names may differ between a source and what is built of it.

    Raises:
        InferenceError: they are not as many, or as large; axes of length 1 do not count.
    """
    shapes = [[array.shape for array in arrays.values()] for arrays in (expected, found)]
    if [math.prod(shape) for shape in shapes[0]] != [math.prod(shape) for shape in shapes[1]]:
        raise InferenceError(f"the outputs are not those that they are compared with: {shapes[1]}, not {shapes[0]}")
    pairs = zip(expected.values(), found.values(), strict=True)
    return [(one.astype(np.float64), other.astype(np.float64).reshape(one.shape)) for one, other in pairs]


def cosine_of(one: Values, other: Values) -> float | None:
    """Return the cosine of all values; 1 where both are all 0, None where one is infinite or no number."""
    if not (np.isfinite(one).all() and np.isfinite(other).all()):
        return None
    if np.array_equal(one, other):
        return 1.0
    length = float(np.linalg.norm(one) * np.linalg.norm(other))
    return float(one.ravel() @ other.ravel()) / length if length else 0.0


def same_largest(one: Values, other: Values) -> float | None:
    """Return the share of places at which the largest value along the classes is the same one."""
    axis = 1 if one.ndim == 4 else one.ndim - 1
    if one.ndim == 0 or one.shape[axis] < 2:
        return None
    return float(np.mean(one.argmax(axis) == other.argmax(axis)))


def table_of(rows: Sequence[Agreeing]) -> Iterator[str]:
    """Return rows as lines for people."""
    width = max(6, *(len(printable(row.output)) for row in rows))
    place = max(5, *(len(row.place) for row in rows))
    yield f"{'output':<{width}}  {'where':<{place}}  lowest cosine  largest difference  same largest"
    for row in rows:
        same = "-" if row.argmax is None else f"{row.argmax:.1%}"
        cells = f"{number(row.cosine, '.6f'):>13}  {number(row.difference, '.4g'):>18}  {same:>12}"
        yield f"{printable(row.output):<{width}}  {row.place:<{place}}  {cells}"


def number(value: float | None, how: str) -> str:
    """Return a number in that form, or that it is none."""
    return "no number" if value is None else format(value, how)
