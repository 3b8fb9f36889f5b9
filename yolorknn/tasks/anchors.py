"""What YOLO heads share: cells and their anchor points, and sides as distributions (DFL)."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from yolorknn.tasks.task import Floats


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
def _bins(reg_max: int) -> Floats:
    """Return the rows that turn a distribution into its weighted sum and its sum, (2, reg_max)."""
    bins: Floats = np.stack([np.arange(reg_max), np.ones(reg_max)]).astype(np.float32)
    bins.flags.writeable = False
    return bins


def dfl(logits: Floats) -> Floats:
    """Return the expected distance of each distribution: softmax over axis 1, times 0..reg_max-1.

    Distribution Focal Loss, https://arxiv.org/abs/2006.04388, equation 4.

    Args:
        logits: (4, reg_max, N).

    Returns:
        Distances in cells, (4, N).
    """
    largest = np.finfo(np.float32).max / 2  # of an infinite logit the difference to itself would be NaN
    logits = np.clip(logits, -largest, largest)
    weights = logits - np.maximum.reduce(logits, axis=1, keepdims=True)
    np.exp(weights, out=weights)
    sums = _bins(logits.shape[1]) @ weights
    distances: Floats = sums[:, 0] / sums[:, 1]
    return distances
