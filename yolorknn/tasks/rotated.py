"""Rotated boxes (xywhr: centre, width, height, radians): overlap, suppression, corners. Pure functions of arrays.

Overlap is that of Gaussians spread as the boxes are, by Hellinger's distance, which ultralytics trains and suppresses
with: https://arxiv.org/abs/2106.06072.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from yolorknn.tasks.task import Floats, Ints

EPSILON = 1e-7
BLOCK = 1 << 20
"""At most so many pairs are compared at a time, or one box's."""


def overlaps(one: Floats, other: Floats) -> NDArray[np.float64]:
    """Return the probabilistic IoU (N, M) of boxes (N, 5) and (M, 5), 0 to 1."""
    a, b, c, area = (values[:, None] for values in _spread(one))
    a_, b_, c_, area_ = _spread(other)
    x, y = (one[:, None, axis].astype(np.float64) - other[None, :, axis] for axis in (0, 1))
    a, b, c = a + a_, b + b_, c + c_
    spread = a * b - c * c
    distance = ((a * y * y + b * x * x) / 4 - c * x * y / 2) / (spread + EPSILON)
    distance += np.log(spread / (4 * np.sqrt(area * area_) + EPSILON) + EPSILON) / 2
    np.clip(distance, EPSILON, 100, out=distance)
    shared: NDArray[np.float64] = 1 - np.sqrt(1 - np.exp(-distance) + EPSILON)
    return shared


def _spread(boxes: Floats) -> tuple[NDArray[np.float64], ...]:
    """Return the covariances xx, yy and xy of boxes' Gaussians, (N,) each, and their determinants, at least 0."""
    _, _, width, height, angle = boxes.T.astype(np.float64)
    along, across = width**2 / 12, height**2 / 12
    cos, sin = np.cos(angle), np.sin(angle)
    a, b = along * cos**2 + across * sin**2, along * sin**2 + across * cos**2
    c = (along - across) * cos * sin
    return a, b, c, np.clip(a * b - c * c, 0, None)


def rotated_nms(boxes: Floats, confidence: Floats, class_id: Ints | None, *, iou: float) -> Ints:
    """Return the indices that suppression keeps, the most confident first.

    Class by class, as ultralytics does it for rotated boxes: a box goes when its overlap with any more confident one of
    its class exceeds `iou`, also with one that went itself. Equal confidence is ordered by index.

    Args:
        boxes: (N, 5).
        confidence: (N,).
        class_id: (N,), or None to compare boxes of all classes.
        iou: 0 to 1.
    """
    order = np.argsort(-confidence, kind="stable")
    kept = np.ones(len(order), np.bool_)
    classes = np.zeros(len(order), np.int64) if class_id is None else class_id[order]
    for chosen in np.unique(classes):
        members = np.flatnonzero(classes == chosen)
        step = max(1, BLOCK // len(members))
        for start in range(0, len(members), step):
            some = members[start : start + step]
            before = members[: start + len(some)]
            high = overlaps(boxes[order[before]], boxes[order[some]]) > iou
            kept[some] = ~(high & (before[:, None] < some[None])).any(axis=0)
    return order[kept]


def corners_of(boxes: Floats) -> Floats:
    """Return the corners of boxes (N, 5) in turn, (N, 4, 2)."""
    centre, (width, height, angle) = boxes[:, None, :2], boxes[:, 2:].T
    cos, sin = np.cos(angle), np.sin(angle)
    along = np.stack([width / 2 * cos, width / 2 * sin], axis=1)[:, None]
    across = np.stack([-height / 2 * sin, height / 2 * cos], axis=1)[:, None]
    return np.concatenate(
        [centre + along + across, centre + along - across, centre - along - across, centre - along + across], axis=1
    )


def boxes_of(corners: Floats) -> Floats:
    """Return the boxes (N, 5) whose corners_of() these are."""
    along, across = corners[:, 1] - corners[:, 2], corners[:, 0] - corners[:, 1]
    sides = np.stack([np.hypot(*along.T), np.hypot(*across.T)], axis=1)
    return np.concatenate([corners.mean(axis=1), sides, np.arctan2(along[:, 1:], along[:, :1])], axis=1)
