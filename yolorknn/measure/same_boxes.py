"""What two places find in the same images: see tasks/agreement.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from yolorknn.image import Letterbox
from yolorknn.measure.compare_report import Also, SameBoxes
from yolorknn.model.metadata import ModelMetadata
from yolorknn.tasks.agreement import agreement, total, worst_image
from yolorknn.tasks.known import task_of
from yolorknn.tasks.task import Thresholds

Outputs = Sequence[Mapping[str, NDArray[Any]]]


def same_boxes(label: str, metadata: ModelMetadata, expected: Outputs, found: Outputs) -> SameBoxes:
    """Match what two runs find, in pixels of the model's input.

    Args:
        label: of the second run.
        metadata: of the model.
        expected: outputs by name of each image, of the reference.
        found: the same of the other.
    """
    task = task_of(metadata)
    whole = Letterbox.fit(metadata.imgsz, metadata.imgsz)
    rows = []
    for number, pair in enumerate(zip(expected, found, strict=True)):
        one, other = (
            task.decode([np.asarray(array, np.float32) for array in outputs.values()], metadata, Thresholds(), whole)
            for outputs in pair
        )
        rows.append(agreement(f"input {number}", one, other))
    every = total(rows)
    iou = float(np.mean(every.ious)) if every.ious else None
    score = max(every.differences, key=abs) if every.differences else None
    also = tuple(
        Also(one.what, one.measure, len(one.values), one.alike, one.mean, one.worst, worst_image(rows, one.what))
        for one in every.also
    )
    return SameBoxes(label, every.expected, every.found, every.matched, iou, score, also)
