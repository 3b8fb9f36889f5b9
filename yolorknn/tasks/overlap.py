"""Overlap of objects, pair by pair: of upright boxes, or of turned ones as the polygons that they are."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from yolorknn.tasks.rotated import boxes_of, corners_of, upright
from yolorknn.tasks.task import Floats, Ints

BLOCK = 1 << 20
"""At most so many pairs are looked at at a time, or one box's."""


class Outlines:
    """Where objects are, in pixels.

    Args:
        xyxy: (N, 4); of turned boxes, the upright ones around them.
        corners: (N, 4, 2) of turned boxes, in turn.
    """

    def __init__(self, xyxy: Floats, corners: Floats | None = None) -> None:
        self.xyxy = xyxy.astype(np.float64)
        self.corners = corners
        turned = None if corners is None else boxes_of(corners)
        sides = self.xyxy[:, 2:] - self.xyxy[:, :2] if turned is None else turned[:, 2:4].astype(np.float64)
        self.area: NDArray[np.float64] = np.maximum(sides.prod(axis=1), 1e-9)

    def widened(self, pixels: float | NDArray[np.float64]) -> Outlines:
        """Return them with so many pixels more on each side; one number, or one for each, (N,)."""
        wide = np.broadcast_to(pixels, len(self.xyxy))[:, None]
        if self.corners is None:
            return Outlines((self.xyxy + wide * (-1, -1, 1, 1)).astype(np.float32))
        turned = boxes_of(self.corners)
        turned[:, 2:4] += (2 * wide).astype(np.float32)
        corners = corners_of(turned)
        return Outlines(upright(corners), corners)

    def meeting(self, ones: Ints, others: Ints, of: Outlines | None = None) -> tuple[Ints, Ints]:
        """Return the pairs out of two lists whose upright boxes meet; the second of each as `of` has it."""
        theirs = (of or self).xyxy
        pairs = [(np.zeros(0, np.int64), np.zeros(0, np.int64))]
        step = max(1, BLOCK // max(1, len(others)))
        for start in range(0, len(ones), step):
            one, other = self.xyxy[ones[start : start + step], None], theirs[None, others]
            row, column = ((one[..., :2] < other[..., 2:]) & (other[..., :2] < one[..., 2:])).all(axis=2).nonzero()
            pairs.append((ones[start + row], others[column]))
        return np.concatenate([pair[0] for pair in pairs]), np.concatenate([pair[1] for pair in pairs])

    def shared(self, ones: Ints, others: Ints, of: Outlines | None = None) -> NDArray[np.float64]:
        """Return the area, in pixels, that each pair has in common, (P,); the second of each as in meeting()."""
        theirs = of or self
        if self.corners is None or theirs.corners is None:
            return _area(common(self.xyxy[ones], theirs.xyxy[others]))
        pairs = zip(self.corners[ones], theirs.corners[others], strict=True)
        return np.array([cv2.intersectConvexConvex(one, other)[0] for one, other in pairs], np.float64)

    def iou_within(self, ones: Ints, others: Ints, within: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the IoU, (P,), of what of each pair lies in a rectangle of its own, xyxy (P, 4); 0 outside it."""
        if self.corners is None:
            one, other = common(self.xyxy[ones], within), common(self.xyxy[others], within)
            shared, total = _area(common(one, other)), _area(one) + _area(other)
        else:
            shared, total = np.zeros(len(ones)), np.zeros(len(ones))
            for number, (one, other, (x1, y1, x2, y2)) in enumerate(
                zip(self.corners[ones], self.corners[others], within.astype(np.float32), strict=True)
            ):
                if x1 >= x2 or y1 >= y2:
                    continue
                frame = np.array([[x1, y1], [x2, y1], [x2, y2], [x1, y2]], np.float32)
                (part, inside), (more, beside) = (cv2.intersectConvexConvex(each, frame) for each in (one, other))
                total[number] = part + more
                if part and more:
                    shared[number] = cv2.intersectConvexConvex(inside, beside)[0]
        ratio: NDArray[np.float64] = shared / np.maximum(total - shared, 1e-9)
        return ratio


def common(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return what the rectangles of each pair have in common, (P, 4); turned inside out where that is nothing."""
    return np.concatenate([np.maximum(one[:, :2], other[:, :2]), np.minimum(one[:, 2:], other[:, 2:])], axis=1)


def _area(xyxy: NDArray[np.float64]) -> NDArray[np.float64]:
    area: NDArray[np.float64] = np.maximum(xyxy[:, 2:] - xyxy[:, :2], 0).prod(axis=1)
    return area
