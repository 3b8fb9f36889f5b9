"""What YOLO heads share: cells and their anchor points, and sides as distributions (DFL)."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from yolorknn.tasks.task import Floats

LARGEST = np.finfo(np.float32).max / 2
PLAIN = 80.0
"""Logits between this and its negative need not be moved: e^80, times 120 as with 16 bins, is a float32."""


@lru_cache
def anchor_points(imgsz: tuple[int, int], strides: tuple[int, ...]) -> Floats:
    """Return the centres of all cells and their strides, (3, anchors): x and y in input pixels, and the stride.

    Cells are numbered stride by stride, row by row.
    """
    columns = []
    for stride in strides:
        y, x = np.mgrid[: imgsz[0] // stride, : imgsz[1] // stride] + 0.5
        columns.append(np.stack([x.ravel() * stride, y.ravel() * stride, np.full(x.size, stride)]))
    points: Floats = np.concatenate(columns, axis=1).astype(np.float32)
    points.flags.writeable = False
    return points


@lru_cache
def corners(imgsz: tuple[int, int], strides: tuple[int, ...]) -> Floats:
    """Return what makes corners x1, y1, x2, y2 of distances in cells, (8, anchors): where from, and times what."""
    x, y, stride = anchor_points(imgsz, strides)
    table: Floats = np.stack([x, y, x, y, -stride, -stride, stride, stride])
    table.flags.writeable = False
    return table


@lru_cache
def _rows(reg_max: int) -> Floats:
    """Return the rows that make of four distributions their weighted sums, then their sums, (8, 4 * reg_max)."""
    rows: Floats = np.concatenate([np.kron(np.eye(4), row) for row in (np.arange(reg_max), np.ones(reg_max))]).astype(
        np.float32
    )
    rows.flags.writeable = False
    return rows


def dfl(logits: Floats) -> Floats:
    """Return the expected distance of each distribution: its softmax, times 0..reg_max-1.

    Distribution Focal Loss, https://arxiv.org/abs/2006.04388, equation 4.

    Args:
        logits: (4 * reg_max, N), side by side those of left, top, right, bottom.

    Returns:
        Distances in cells, (4, N).
    """
    if logits.size and np.minimum.reduce(logits, axis=None) >= -PLAIN and np.maximum.reduce(logits, axis=None) <= PLAIN:
        weights = np.exp(logits)
    else:
        weights = np.maximum(logits, -LARGEST)  # of an infinite logit the difference to itself would be NaN
        np.minimum(weights, LARGEST, out=weights)
        each = weights.reshape(4, len(weights) // 4, weights.shape[1])
        each -= np.maximum.reduce(each, axis=1, keepdims=True)
        np.exp(weights, out=weights)
    sums = _rows(len(logits) // 4) @ weights
    distances: Floats = sums[:4] / sums[4:]
    return distances
