"""Results without a model: a picture, and what is said to be in it."""

from __future__ import annotations

from typing import Any

import numpy as np

from yolorknn import Detections, Result, Timings
from yolorknn.stream.result import Clock

NAMES = {0: "person", 1: "traffic light", 2: "日本"}
BOX = ((1.0, 2.0, 30.0, 40.0), 0.9, 2)


def detections(*objects: tuple[tuple[float, float, float, float], float, int]) -> Detections:
    """Return objects of (xyxy, confidence, class_id)."""
    if not objects:
        return Detections.empty()
    xyxy, confidence, class_id = zip(*objects, strict=True)
    return Detections(np.array(xyxy, np.float32), np.array(confidence, np.float32), np.array(class_id, np.int64))


def tracked(*numbers: int, confidence: float = 0.5, class_id: int = 0) -> Detections:
    """Return objects with numbers of a tracker."""
    found = detections(*[((0, 0, 10, 10), confidence, class_id)] * len(numbers))
    return Detections(found.xyxy, found.confidence, found.class_id, tracker_id=np.array(numbers, np.int64))


def result(
    index: int = 0,
    *,
    found: Any = None,
    grey: int = 0,
    size: tuple[int, int] = (60, 80),
    timestamp: float = 1.25,
    source: str = "camera0",
    clock: Clock = "unix",
    camera: str = "",
) -> Result[Any]:
    """Return a result of a grey picture of (height, width), by default with one object."""
    image = np.full((*size, 3), grey, np.uint8)
    found = detections(BOX) if found is None else found
    return Result(image, index, timestamp, found, Timings(0, 0, 0, 0, 0, 0), source, clock, camera)


def many(count: int, **given: Any) -> list[Result[Any]]:
    """Return so many results, numbered."""
    return [result(number, **given) for number in range(count)]
