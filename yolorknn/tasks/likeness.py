"""How alike two runs are in what they say of the same objects beside class, box and confidence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from yolorknn.tasks.detections import Detections

SAME_MASK = 0.7
"""IoU of the masks of one object; of YOLOv8n-seg in int8 91 of 92 have more. One that fills its box has less."""
NEAR = 0.1
"""How far points of one object may lie apart, in sides of a square of the box's area; of YOLOv8n-pose in int8 32 of 33
lie nearer."""
SAME_SCORE = 0.2
"""How far two probabilities may lie apart."""


@dataclass(frozen=True)
class Likeness:
    """Of the objects that both runs have, in one respect."""

    what: str
    """As in "the masks of the board"."""
    measure: str
    """What the values are: "IoU", "px", or "off", a difference of probabilities."""
    unlike: str
    """What those of them are that are not alike, in words."""
    values: tuple[float, ...]
    """Of each object."""
    excess: tuple[float, ...]
    """How far each is from being the same, in how far it may be: above 1 it is not alike."""

    @property
    def alike(self) -> int:
        """How many are alike."""
        return sum(excess <= 1 for excess in self.excess)

    @property
    def share(self) -> float:
        """How many of them, 0 to 1; 1 where there is none."""
        return self.alike / len(self.values) if self.values else 1.0

    @property
    def mean(self) -> float:
        """The mean of the values, of which there is one at least."""
        return float(np.mean(self.values))

    @property
    def worst(self) -> float:
        """The value of the one that is the least alike."""
        return self.values[int(np.argmax(self.excess))]

    def number(self, value: float) -> str:
        """Return a value as people read it."""
        return f"{value:.1f}" if self.measure == "px" else f"{value:.3f}"

    def told(self, value: float) -> str:
        """Return a value in words: "0.02", "by 120.3 px"."""
        return (
            self.number(value) if self.measure == "IoU" else f"by {self.number(value)}{' px' * (self.measure == 'px')}"
        )


def of_masks(expected: NDArray[np.bool_], found: NDArray[np.bool_]) -> Likeness:
    """Compare masks (N, H, W) object by object."""
    ious = np.zeros(len(expected))
    if expected.shape == found.shape:
        for number, (one, other) in enumerate(zip(expected, found, strict=True)):
            either = np.count_nonzero(one | other)
            ious[number] = np.count_nonzero(one & other) / either if either else 1.0
    return _likeness("masks", "IoU", f"have an IoU below {SAME_MASK}", ious, (1 - ious) / (1 - SAME_MASK))


def of_points(what: str, away: NDArray[Any], boxes: Detections) -> Likeness:
    """Compare points by how far they lie apart on average, in pixels, (N,); the boxes are those that they are of."""
    sides = boxes.xyxy[:, 2:] - boxes.xyxy[:, :2]
    allowed = NEAR * np.sqrt(np.maximum(sides.prod(axis=1), 1))
    return _likeness(what, "px", f"are more than {NEAR:g} of the object's size off", away, away / allowed)


def of_scores(what: str, off: NDArray[Any]) -> Likeness:
    """Compare probabilities by how far they lie apart, (N,)."""
    return _likeness(what, "off", f"are more than {SAME_SCORE} off", off, off / SAME_SCORE)


def merged(some: Sequence[Likeness]) -> tuple[Likeness, ...]:
    """Return those of several images as one for each respect."""
    every: dict[str, Likeness] = {}
    for one in some:
        so_far = every.get(one.what)
        values, excess = (so_far.values, so_far.excess) if so_far else ((), ())
        every[one.what] = Likeness(one.what, one.measure, one.unlike, values + one.values, excess + one.excess)
    return tuple(every.values())


def _likeness(what: str, measure: str, unlike: str, values: NDArray[Any], excess: NDArray[Any]) -> Likeness:
    return Likeness(what, measure, unlike, tuple(map(float, values)), tuple(map(float, excess)))
