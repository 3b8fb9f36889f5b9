"""What one run found against what another found: boxes matched by class and IoU, classified images by class.

Of what both have, what else the task says of it is compared: see likeness.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from yolorknn.tasks.classification import Classification
from yolorknn.tasks.detections import Detections
from yolorknn.tasks.known import showing
from yolorknn.tasks.likeness import Likeness, merged
from yolorknn.text import aligned

SAME_BOX = 0.5
"""IoU at which two boxes of one class are the same object's, as in COCO's AP50."""


@dataclass(frozen=True)
class Agreement:
    """Of one image, or all of them: what one run found against another's, which is the reference."""

    image: str
    expected: int
    """Boxes of the reference; of a classified image 1, its most probable class."""
    found: int
    """The same of the other."""
    ious: tuple[float, ...]
    """Of the boxes that both have, IoU; of classes none."""
    differences: tuple[float, ...]
    """Of what both have, the other's score less the reference's."""
    also: tuple[Likeness, ...] = ()
    """Of what both have, what else the task says; of a classified image the probabilities, whatever its class."""

    @property
    def matched(self) -> int:
        """What both have; the reference's others are missing, the other's others extra."""
        return len(self.differences)

    @property
    def share(self) -> float:
        """2 * matched / (boxes of both), 0 to 1; 1 where neither has any (the F1 score, or Dice coefficient)."""
        return 2 * self.matched / (self.expected + self.found) if self.expected + self.found else 1.0


def agreement(image: str, expected: Detections | Classification, found: Detections | Classification) -> Agreement:
    """Match the boxes of one image: of the same class, the largest IoU first, each box once; or its two first classes.

    Raises:
        TypeError: one has boxes, the other classes.
    """
    if isinstance(expected, Classification) and isinstance(found, Classification):
        same = np.array_equal(expected.class_id[:1], found.class_id[:1])
        difference = (float(found.confidence[0] - expected.confidence[0]),) if same else ()
        return Agreement(image, 1, 1, (), difference, showing(expected).likeness(expected, found))
    if isinstance(expected, Classification) or isinstance(found, Classification):
        raise TypeError("boxes cannot be compared with classes")
    overlaps = _iou(expected.xyxy, found.xyxy)
    overlaps[expected.class_id[:, None] != found.class_id[None]] = 0
    ious, differences, rows, columns = [], [], list[int](), list[int]()
    while overlaps.size and (best := float(overlaps.max())) >= SAME_BOX:
        row, column = np.unravel_index(int(overlaps.argmax()), overlaps.shape)
        overlaps[row], overlaps[:, column] = 0, 0
        ious.append(best)
        differences.append(float(found.confidence[column] - expected.confidence[row]))
        rows.append(int(row))
        columns.append(int(column))
    also = showing(expected).likeness(expected[rows], found[columns]) if rows else ()
    return Agreement(image, len(expected), len(found), tuple(ious), tuple(differences), also)


def total(rows: Sequence[Agreement]) -> Agreement:
    """Add up the images."""
    return Agreement(
        f"all {len(rows)} images" if len(rows) != 1 else "1 image",
        sum(row.expected for row in rows),
        sum(row.found for row in rows),
        tuple(iou for row in rows for iou in row.ious),
        tuple(difference for row in rows for difference in row.differences),
        merged([one for row in rows for one in row.also]),
    )


class Unlike(NamedTuple):
    """In what two runs differ."""

    what: str
    """Of their results: "masks"."""
    told: str
    """How many, in what way, and where the most: "those of 7 of 7 have an IoU below 0.7, 0.020 in bus.jpg"."""


def unlike(rows: Sequence[Agreement], least: float) -> Unlike | None:
    """Return the first respect in which less than `least` of what both runs have is alike, 0 to 1."""
    for every in total(rows).also:
        if every.share < least:
            count, most = len(every.values), f"{every.told(every.worst)} in {worst_image(rows, every.what)}"
            return Unlike(every.what, f"those of {count - every.alike} of {count} {every.unlike}, {most}")
    return None


def worst_image(rows: Sequence[Agreement], what: str) -> str:
    """Return the image in which one of the objects is the least alike in a respect that is compared."""
    each = [(max(one.excess), row.image) for row in rows for one in row.also if one.what == what]
    return max(each, key=lambda pair: pair[0])[1]


def table(rows: Sequence[Agreement], *, names: tuple[str, str]) -> str:
    """Return a line for each image and one for all; `names` are those of the reference and the other.

    Of what the task says besides, it has the means.
    """
    every = total(rows)
    more = {one.what: f"{one.what} {one.measure}" for one in every.also}
    head = ("image", *names, "matched", "missing", "extra", "mean IoU", "score difference", *more.values())
    lines: list[tuple[str, ...]] = [head]
    for row in (*rows, every):
        iou = f"{np.mean(row.ious):.3f}" if row.ious else "-"
        worst = f"{max(row.differences, key=abs):+.3f}" if row.differences else "-"
        counts = (row.expected, row.found, row.matched, row.expected - row.matched, row.found - row.matched)
        means = {one.what: one.number(one.mean) for one in row.also}
        lines.append((row.image, *map(str, counts), iou, worst, *(means.get(what, "-") for what in more)))
    return aligned(lines, right=range(1, len(lines[0])))


def _iou(one: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the IoU (N, M) of boxes xyxy (N, 4) and (M, 4)."""
    a, b = one[:, None].astype(np.float64), other[None].astype(np.float64)
    sides = np.clip(np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2]), 0, None)
    common = sides.prod(axis=-1)
    union = (a[..., 2:] - a[..., :2]).prod(axis=-1) + (b[..., 2:] - b[..., :2]).prod(axis=-1) - common
    iou: NDArray[np.float64] = np.divide(common, union, out=np.zeros_like(common), where=union > 0)
    return iou
