"""Boxes as plain JSON values, and back: what the records of all tasks that find objects begin with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from yolorknn.tasks.detections import Detections
from yolorknn.tasks.task import Wording


def box_records(detections: Detections, wording: Wording, **more: Iterable[Any]) -> list[dict[str, Any]]:
    """Return class_id, name, confidence, xyxy of each box, rounded, a tracker's number, and its value of each field."""
    records = [
        {
            "class_id": class_id,
            "name": wording.names[class_id],
            "confidence": round(confidence, 4),
            "xyxy": [round(side, 2) for side in xyxy],
        }
        for xyxy, confidence, class_id in zip(
            detections.xyxy.tolist(), detections.confidence.tolist(), detections.class_id.tolist(), strict=True
        )
    ]
    if detections.tracker_id is not None:
        more["tracker_id"] = detections.tracker_id.tolist()
    for name, values in more.items():
        for record, value in zip(records, values, strict=True):
            record[name] = value
    return records


def read_boxes(records: Sequence[Mapping[str, Any]]) -> dict[str, NDArray[Any]]:
    """Return the fields of Detections that box_records() wrote.

    Raises:
        KeyError, TypeError, ValueError: not such records.
    """
    tracked = bool(records) and "tracker_id" in records[0]
    numbers = {"tracker_id": np.array([box["tracker_id"] for box in records], np.int64)} if tracked else {}
    return {
        "xyxy": np.array([box["xyxy"] for box in records], np.float32).reshape(-1, 4),
        "confidence": np.array([box["confidence"] for box in records], np.float32),
        "class_id": np.array([box["class_id"] for box in records], np.int64),
        **numbers,
    }
