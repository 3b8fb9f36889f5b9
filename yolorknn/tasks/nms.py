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
    boxes = np.clip(xyxy.astype(np.float64), -FAR, FAR)
    np.maximum(boxes[:, 2:] - boxes[:, :2], 1e-6, out=boxes[:, 2:])
    if class_id is not None:  # classes are moved apart, in float64: float32 would round the boxes and change results
        step = 2 * np.abs(boxes).max() + boxes[:, 2:].max() + 1
        boxes[:, :2] += (class_id * step)[:, None]
    kept = cv2.dnn.NMSBoxes(boxes.tolist(), confidence.tolist(), 0.0, iou)
    return np.asarray(kept, np.int64).ravel()
