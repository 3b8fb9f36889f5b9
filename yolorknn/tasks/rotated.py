"""Rotated boxes (xywhr: centre, width, height, radians): overlap, suppression, corners. Pure functions of arrays.

Overlap is that of Gaussians spread as the boxes are, by Hellinger's distance, which ultralytics trains and suppresses
with: https://arxiv.org/abs/2106.06072.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from yolorknn.tasks.task import Floats, Ints

EPSILON = 1e-7
BLOCK = 1 << 20
"""At most so many pairs are compared at a time, or one box's."""


def overlaps(one: Floats, other: Floats) -> NDArray[np.float64]:
    """Return the probabilistic IoU (N, M) of boxes (N, 5) and (M, 5), 0 to 1."""
    distance = _distance(_gaussians(one)[:, :, None], _gaussians(other)[:, None])
    np.minimum(np.maximum(distance, EPSILON, out=distance), 100, out=distance)
    shared: NDArray[np.float64] = 1 - np.sqrt(1 - np.exp(-distance) + EPSILON)
    return shared


def _more_than(one: NDArray[np.float64], other: NDArray[np.float64], iou: float) -> NDArray[np.bool_]:
    """Tell where the overlaps() of _gaussians() (6, ...), of shapes that fit each other, exceed `iou`."""
    least = -math.log(1 - (1 - iou) ** 2 + EPSILON)  # the distance of which that is the overlap
    if least <= EPSILON:
        least = -math.inf
    more: NDArray[np.bool_] = _distance(one, other) < least
    return more


def _distance(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return Bhattacharyya's distance of _gaussians() (6, ...), of shapes that fit each other."""
    x, y = one[0] - other[0], one[1] - other[1]
    a, b, c = one[2:5] + other[2:5]
    spread = a * b
    spread -= c * c
    a *= y
    a *= y
    b *= x
    b *= x
    a += b
    c *= x
    c *= y
    c *= 2
    a -= c
    a /= 4
    a /= spread + EPSILON
    spread /= 4 * one[5] * other[5] + EPSILON
    spread += EPSILON
    np.log(spread, out=spread)
    spread /= 2
    distance: NDArray[np.float64] = a + spread
    return distance


def _gaussians(boxes: Floats) -> NDArray[np.float64]:
    """Return of boxes (N, 5) centre, covariances xx, yy and xy, and their determinant's root: (6, N)."""
    table = np.empty((6, len(boxes)), np.float64)
    table[:2] = boxes[:, :2].T
    width, height, angle = boxes[:, 2:].T.astype(np.float64)
    np.abs(width * height, out=table[5])
    table[5] /= 12
    cos = np.cos(angle)
    along, across = width * width / 12, height * height / 12
    both = along + across
    along -= across
    np.multiply(along, cos, out=table[4])
    table[4] *= np.sin(angle)
    along *= cos * cos
    np.add(along, across, out=table[2])
    np.subtract(both, table[2], out=table[3])
    return table


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
    table = _gaussians(boxes.take(order, axis=0))
    kept = np.ones(len(order), np.bool_)
    classes = np.zeros(len(order), np.int64) if class_id is None else class_id.take(order)
    if len(order) ** 2 <= BLOCK:  # only the pairs of a class, which are few
        pairs = np.flatnonzero(np.equal.outer(classes, classes) & np.tri(len(order), k=-1, dtype=np.bool_))
        after, before = pairs // len(order), pairs % len(order)
        kept[after[_more_than(table.take(before, axis=1), table.take(after, axis=1), iou)]] = False
        return order[kept]
    for chosen in np.unique(classes):
        members = np.flatnonzero(classes == chosen)
        step = max(1, BLOCK // len(members))
        for start in range(0, len(members), step):
            some = members[start : start + step]
            before = members[: start + len(some)]
            high = _more_than(table[:, before, None], table[:, None, some], iou)
            kept[some] = ~(high & (before[:, None] < some[None])).any(axis=0)
    return order[kept]


_TURN = np.array([[1, 1, -1, -1], [1, -1, -1, 1]], np.float32)
"""Of each corner, on which side of the centre it is along the width, and along the height."""


def corners_of(boxes: Floats) -> Floats:
    """Return the corners of boxes (N, 5) in turn, (N, 4, 2)."""
    sides, angle = boxes[:, 2:4] / 2, boxes[:, 4]
    cos, sin = np.cos(angle), np.sin(angle)
    along, across = sides[:, :1] * _TURN[0], sides[:, 1:] * _TURN[1]
    corners = np.empty((len(boxes), 4, 2), boxes.dtype)
    for axis, (one, other) in enumerate(((cos, -sin), (sin, cos))):
        corners[..., axis] = boxes[:, axis, None] + along * one[:, None] + across * other[:, None]
    return corners


def upright(corners: Floats) -> Floats:
    """Return the upright boxes xyxy (N, 4) around corners (N, 4, 2)."""
    return np.concatenate([np.minimum.reduce(corners, axis=1), np.maximum.reduce(corners, axis=1)], axis=1)


def boxes_of(corners: Floats) -> Floats:
    """Return the boxes (N, 5) whose corners_of() these are."""
    along, across = corners[:, 1] - corners[:, 2], corners[:, 0] - corners[:, 1]
    sides = np.stack([np.hypot(*along.T), np.hypot(*across.T)], axis=1)
    return np.concatenate([corners.mean(axis=1), sides, np.arctan2(along[:, 1:], along[:, :1])], axis=1)
