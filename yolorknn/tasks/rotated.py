"""Rotated boxes (xywhr: centre, width, height, radians): overlap, suppression, corners. Pure functions of arrays.

Overlap is that of Gaussians spread as the boxes are, by Hellinger's distance, which ultralytics trains and suppresses
with: https://arxiv.org/abs/2106.06072.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from yolorknn.tasks.task import Floats, Ints

EPSILON = 1e-7
BLOCK = 1 << 20
"""About so many pairs are compared at a time."""
MANY = 1 << 11
"""Pairs of which it takes longer to compare all than to look first which are near."""
FEW, FEW_PAIRS = 96, 512
"""Boxes, and pairs of one class among them, of which it takes longer to look which are near than to compare all."""
_SECOND, _FIRST = np.tril_indices(FEW, -1)
"""All pairs of so many, those of the first n before all others."""
SMALL = 0.05
"""A third of the area in pixels, at which EPSILON is no thousandth yet of what it is added to."""


def overlaps(one: Floats, other: Floats) -> NDArray[np.float64]:
    """Return the probabilistic IoU (N, M) of boxes (N, 5) and (M, 5), 0 to 1."""
    distance = twice_distance(gaussians(one)[:, :, None], gaussians(other)[:, None]) / 2
    np.minimum(np.maximum(distance, EPSILON, out=distance), 100, out=distance)
    shared: NDArray[np.float64] = 1 - np.sqrt(1 - np.exp(-distance) + EPSILON)
    return shared


def twice_distance(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return twice Bhattacharyya's distance of gaussians() (6, ...), of shapes that fit each other."""
    way, both = one[:2] - other[:2], one[2:5] + other[2:5]
    spread = both[0] * both[1]
    spread -= both[2] * both[2]
    both[:2] *= way[::-1]
    both[:2] *= way[::-1]
    both[2] *= way[0]
    both[2] *= way[1]
    distance: NDArray[np.float64] = both[0] + both[1]
    distance -= both[2]
    distance -= both[2]
    distance /= spread + 4 * EPSILON
    roots = one[5] * other[5]
    roots += 4 * EPSILON
    spread /= roots
    spread += EPSILON
    with np.errstate(invalid="ignore", divide="ignore"):  # of thin boxes, whose determinant may round to below 0
        distance += np.log(spread, out=spread)
    return distance


def gaussians(boxes: Floats) -> NDArray[np.float64]:
    """Return of boxes (N, 5) centre, twice the covariances xx, yy and xy, and 4 * their determinant's root: (6, N)."""
    table = np.empty((6, len(boxes)), np.float64)
    table[:5] = boxes.T
    sides, turn, root = table[2:4], table[4] * 2, table[5]
    np.abs(np.multiply(sides[0], sides[1], out=root), out=root)
    root /= 3
    sides *= sides
    sides /= 12
    both, apart = sides[0] + sides[1], sides[0] - sides[1]
    np.multiply(apart, np.sin(turn), out=table[4])
    apart *= np.cos(turn, out=turn)
    np.add(both, apart, out=table[2])
    np.subtract(both, apart, out=table[3])
    return table


def turned_about(low: Floats, high: Floats, points: Floats, angle: Floats) -> Floats:
    """Return the boxes (5, N) that lie upright from `low` to `high` (2, N) and are turned about `points` (2, N).

    Args:
        low: the upper left corners, x and y.
        high: the lower right ones.
        points: the anchor points.
        angle: in radians, (N,).
    """
    rows = np.empty((5, len(angle)), np.float32)
    way = low + high
    way /= 2
    way -= points
    np.multiply(way, np.cos(angle), out=rows[:2])
    way *= np.sin(angle)
    rows[0] -= way[1]
    rows[1] += way[0]
    rows[:2] += points
    np.subtract(high, low, out=rows[2:4])
    rows[4] = angle
    return rows


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
    order = (-confidence).argsort(kind="stable")
    least = -math.log(1 - (1 - iou) ** 2 + EPSILON)  # the distance of which that is the overlap
    if least <= EPSILON or len(order) < 2:
        return order
    table = gaussians(boxes.take(order, axis=0))
    classes = None if class_id is None else class_id.take(order)
    kept = np.ones(len(order), np.bool_)
    for one, other in _few(classes) or _near(table, classes, 2 * least):
        over = twice_distance(table.take(one, axis=1), table.take(other, axis=1)) < 2 * least
        kept[other[over]] = False
    return order[kept]


def _few(class_id: Ints | None) -> list[tuple[Ints, Ints]] | None:
    """Return the pairs of one class, the second behind the first; None where they are not few."""
    if class_id is None or len(class_id) > FEW:
        return None
    count = len(class_id) * (len(class_id) - 1) // 2
    one, other = _FIRST[:count], _SECOND[:count]
    alike = (class_id.take(one) == class_id.take(other)).nonzero()[0]
    return [(one.take(alike), other.take(alike))] if len(alike) <= FEW_PAIRS else None


def _near(table: NDArray[np.float64], class_id: Ints | None, most: float) -> Iterator[tuple[Ints, Ints]]:
    """Yield those that twice_distance() may find below `most`, and others; some BLOCK at a time.

    By Cauchy and Schwarz it is at least the squared way between the centres along x by the sum of both's `xx`: what is
    too far apart for the largest `xx` need not be looked at, nor along y what is for the largest `yy`. EPSILON makes it
    less, by no thousandth unless a box is SMALL; where one is, all pairs are looked at.
    """
    x, y = table[:2]
    reach = span = float(np.maximum.reduce(x) - np.minimum.reduce(x))
    exact = np.minimum.reduce(table[5]) > SMALL
    if exact:
        reach = min(span, math.sqrt((most + 0.001) * 2.002 * float(np.maximum.reduce(table[2]))))
    if class_id is not None:
        x = x + class_id * (2 * span + 1)
    by = x.argsort()
    x = x.take(by)
    stops = x.searchsorted(x + reach, side="right")
    counts = stops - np.arange(1, len(x) + 1)  # pairs of each with those behind it
    step = max(1, BLOCK // max(1, int(np.maximum.reduce(counts))))
    for start in range(0, len(x), step):
        some, behind = counts[start : start + step], stops[start : start + step]
        ends = some.cumsum()
        others = np.arange(ends[-1])
        others -= (ends - behind).repeat(some)
        one, other = by[start : start + step].repeat(some), by.take(others)
        if exact and len(one) > MANY:
            high = math.sqrt((most + 0.001) * 2.002 * float(np.maximum.reduce(table[3])))
            near = (np.abs(y.take(one) - y.take(other)) <= high).nonzero()[0]
            one, other = one.take(near), other.take(near)
        yield np.minimum(one, other), np.maximum(one, other)


_CORNERS = np.array([[1, 1], [1, -1], [-1, -1], [-1, 1]], np.float32) / 2
"""Where the corners are, in widths and heights from the centre."""


def corners_of(boxes: Floats) -> Floats:
    """Return the corners of boxes (N, 5) in turn, (N, 4, 2)."""
    corners: Floats = np.multiply(boxes[:, None, 2:4], _CORNERS, order="C")
    turn = np.empty(len(boxes), np.complex64)
    np.cos(boxes[:, 4], out=turn.real)
    np.sin(boxes[:, 4], out=turn.imag)
    points = corners.view(turn.dtype)[..., 0]  # as complex numbers, which turn by being multiplied
    points *= turn[:, None]
    corners += boxes[:, None, :2]
    return corners


def upright(corners: Floats) -> Floats:
    """Return the upright boxes xyxy (N, 4) around corners (N, 4, 2)."""
    boxes = np.empty((len(corners), 4), corners.dtype)
    np.minimum.reduce(corners, axis=1, out=boxes[:, :2])
    np.maximum.reduce(corners, axis=1, out=boxes[:, 2:])
    return boxes


def boxes_of(corners: Floats) -> Floats:
    """Return the boxes (N, 5) whose corners_of() these are."""
    along, across = corners[:, 1] - corners[:, 2], corners[:, 0] - corners[:, 1]
    sides = np.stack([np.hypot(*along.T), np.hypot(*across.T)], axis=1)
    return np.concatenate([corners.mean(axis=1), sides, np.arctan2(along[:, 1:], along[:, :1])], axis=1)
