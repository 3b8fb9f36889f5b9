"""Views of one image, what was found in them, all in pixels of the image, and objects made of several views' boxes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from yolorknn.tasks.detections import Detections
from yolorknn.tasks.mask_memory import blank_masks
from yolorknn.tasks.overlap import Outlines, common
from yolorknn.tasks.rotated import corners_of, upright
from yolorknn.tasks.task import Floats, Ints

EDGE = 0.02
"""Share of a view's longer side, or 4 pixels, that a box which is cut may keep from the border."""
BLUR = 0.125
"""Share of the side of a coarse box by which a box of the whole image may be off."""


class View(NamedTuple):
    """A part of an image in pixels, the last column and row not in it."""

    x1: int
    y1: int
    x2: int
    y2: int

    @property
    def edge(self) -> float:
        """So near the border, in pixels, a box is cut by it."""
        return max(4.0, EDGE * max(self.x2 - self.x1, self.y2 - self.y1))


class Seen:
    """All boxes of all views in a row, in pixels of the image."""

    def __init__(
        self, some: Sequence[tuple[View, Detections]], size: tuple[int, int], coarse: float, agnostic: bool
    ) -> None:
        self.views, self.found = [view for view, _ in some], [each for _, each in some]
        counts = [len(each) for each in self.found]
        self.view = np.repeat(np.arange(len(counts)), counts)
        """Of each box, which view it is of."""
        self.row = np.concatenate([np.arange(count) for count in counts])
        """Of each box, which of the view's it is."""
        self.bounds = np.array(self.views, np.float64)[self.view]
        self.start = self.bounds[:, :2].astype(np.float32)
        self.confidence = np.concatenate([each.confidence for each in self.found])
        self.class_id = np.concatenate([each.class_id for each in self.found])
        self.like = np.zeros_like(self.class_id) if agnostic else self.class_id
        xyxy: Floats = np.concatenate([each.xyxy for each in self.found])
        xyxy += np.tile(self.start, 2)
        corners = self.field("xyxyxyxy")
        if corners is not None:
            corners += self.start[:, None]
        self.outlines = Outlines(xyxy, corners)
        self.edge = np.array([view.edge for view in self.views])[self.view]
        ends = np.abs(xyxy - self.bounds) <= self.edge[:, None]
        inside = self.bounds != (0, 0, size[1], size[0])
        self.blur = np.where(inside.any(axis=1), 0, coarse * BLUR)
        """So many pixels its sides may be off."""
        self.cut = (ends & inside).any(axis=1)
        """Whether it ends at a border that is inside the image."""
        self.coarse = (~inside).all(axis=1) & ((xyxy[:, 2:] - xyxy[:, :2]).min(axis=1) < coarse)

    def two_views(self, ones: Ints, others: Ints) -> tuple[Ints, Ints]:
        """Return those of the pairs that are of two views, each once."""
        two = self.view[ones] < self.view[others]
        return ones[two], others[two]

    def alike(self, ones: Ints, others: Ints) -> tuple[Ints, Ints]:
        """Return those of the pairs that are of one class."""
        same = self.like[ones] == self.like[others]
        return ones[same], others[same]

    def by_both(self, ones: Ints, others: Ints) -> NDArray[np.float64]:
        """Return what the views of each pair both show, xyxy (P, 4)."""
        return common(self.bounds[ones], self.bounds[others])

    def field(self, name: str) -> Floats | None:
        """Return a field that the boxes may have, of all of them."""
        if getattr(self.found[0], name) is None:
            return None
        values: Floats = np.concatenate([getattr(each, name) for each in self.found])
        return values


def made(seen: Seen, groups: Sequence[Sequence[int]], size: tuple[int, int]) -> Detections:
    """Return an object for each group: of several boxes, the one around them."""
    best = np.array([max(group, key=lambda number: seen.confidence[number]) for group in groups], np.int64)
    boxes = seen.outlines.xyxy
    around = [np.concatenate([boxes[group, :2].min(axis=0), boxes[group, 2:].max(axis=0)]) for group in groups]
    xyxy = np.array(around, np.float32)
    extras: dict[str, NDArray[np.generic]] = {}
    if seen.outlines.corners is not None:
        corners = seen.outlines.corners
        turned = np.stack([corners[group[0]] if len(group) == 1 else _around(corners[group]) for group in groups])
        xyxy = np.clip(upright(turned), 0, np.array([size[1], size[0]] * 2, np.float32))
        extras["xyxyxyxy"] = turned
    if (points := seen.field("keypoints")) is not None:
        extras["keypoints"] = _points(seen, points, groups)
    if seen.found[0].mask is not None:
        extras["mask"] = _masks(seen, groups, size)
    return Detections(xyxy, seen.confidence[best], seen.class_id[best], **extras)  # type: ignore[arg-type]


def _around(corners: Floats) -> Floats:
    """Return the corners of the smallest turned box around others', (N, 4, 2)."""
    (x, y), (width, height), degrees = cv2.minAreaRect(corners.reshape(-1, 2))
    turned = np.array([[x, y, width, height, np.deg2rad(degrees)]], np.float32)
    return corners_of(turned).reshape(4, 2)


def _points(seen: Seen, points: Floats, groups: Sequence[Sequence[int]]) -> Floats:
    """Return each keypoint from the box that shows it best: not at its view's border, where it is only supposed."""
    moved = points.copy()
    moved[..., :2] += seen.start[:, None]
    to_border = np.minimum(moved[..., :2] - seen.bounds[:, None, :2], seen.bounds[:, None, 2:] - moved[..., :2])
    shown = points[..., 2] - (to_border.min(axis=2) <= 0)
    chosen = [np.asarray(group)[shown[group].argmax(axis=0)] for group in groups]
    return np.stack([moved[numbers, np.arange(points.shape[1])] for numbers in chosen])


def _masks(seen: Seen, groups: Sequence[Sequence[int]], size: tuple[int, int]) -> NDArray[np.bool_]:
    masks, written = blank_masks(len(groups), size)
    for at, group in enumerate(groups):
        for number in group:
            view = seen.views[seen.view[number]]
            shown = seen.found[seen.view[number]].mask
            assert shown is not None
            written.append((at, slice(view.y1, view.y2), slice(view.x1, view.x2)))
            masks[written[-1]] |= shown[seen.row[number]]
    return masks
