"""Non-maximum suppression."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from yolorknn.tasks.task import Ints

FAR = 1e9
"""Pixels: of an infinite corner no distance can be computed, neither to its own box nor to those of other classes."""


def nms(xyxy: NDArray[Any], confidence: NDArray[Any], class_id: NDArray[Any] | None, *, iou: float) -> Ints:
    """Return the indices that non-maximum suppression keeps, the most confident first.

    Greedy and class by class: a box goes when its IoU with a kept, more confident box of its class exceeds `iou`.
    Equal confidence is ordered by index, so that the same boxes always give the same result.

    Args:
        xyxy: (N, 4); a box without area counts as a millionth of a pixel wide or high, an infinite one as FAR.
        confidence: (N,), above 0.
        class_id: (N,), or None to compare boxes of all classes.
        iou: 0 to 1.
    """
    if len(xyxy) == 0:
        return np.zeros(0, np.int64)
    boxes = xyxy.astype(np.float64)
    low, high = float(np.minimum.reduce(boxes, axis=None)), float(np.maximum.reduce(boxes, axis=None))
    if low < -FAR or high > FAR:
        np.minimum(np.maximum(boxes, -FAR, out=boxes), FAR, out=boxes)
        low, high = max(low, -FAR), min(high, FAR)
    sides = boxes[:, 2:]
    sides -= boxes[:, :2]
    np.maximum(sides, 1e-6, out=sides)
    if class_id is not None:  # classes are moved apart, in float64: float32 would round the boxes and change results
        boxes[:, :2] += (class_id * (2 * (high - low) + 1))[:, None]
    kept = cv2.dnn.NMSBoxes(boxes.tolist(), confidence.tolist(), 0.0, iou)
    return np.asarray(kept, np.int64).ravel()
