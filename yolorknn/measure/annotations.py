"""What pycocotools compares, of each task: what was found in an image, and what people marked in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from yolorknn.data.labels import Labels
from yolorknn.measure.predictions import Prediction
from yolorknn.model.metadata import ModelMetadata
from yolorknn.tasks.mask_text import write_mask
from yolorknn.tasks.rotated import boxes_of

Kind = Literal["bbox", "segm", "keypoints", "rotated"]
"""How two objects are compared: pycocotools' words, and ours for turned boxes."""

CALLED: dict[Kind, str] = {"bbox": "boxes", "segm": "masks", "keypoints": "keypoints", "rotated": "turned boxes"}

PERSON = 0.53
"""Part of a box that a person covers, for which a pose's size is taken, as ultralytics does it."""


PEOPLE = tuple(
    value / 10
    for value in (0.26, 0.25, 0.25, 0.35, 0.35, 0.79, 0.79, 0.72, 0.72, 0.62, 0.62, 1.07, 1.07, 0.87, 0.87, 0.89, 0.89)
)
"""How far people who mark COCO's keypoints are apart, as shares of a person's size."""


class Annotations(NamedTuple):
    """Of one image, as pycocotools has them."""

    size: tuple[int, int]
    """Height and width."""
    objects: list[dict[str, Any]]


def of_boxes(xyxy: NDArray[Any], class_id: NDArray[Any], score: NDArray[Any] | None = None) -> list[dict[str, Any]]:
    """Return boxes, in pixels."""
    corners = xyxy.astype(np.float64)
    xywh = np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], axis=1)
    rows = [
        {"category_id": int(name), "bbox": box, "area": box[2] * box[3], "iscrowd": 0}
        for box, name in zip(xywh.tolist(), class_id.tolist(), strict=True)
    ]
    if score is not None:
        for row, value in zip(rows, score.tolist(), strict=True):
            row["score"] = value
    return rows


def of_found(found: Prediction, kind: Kind) -> Annotations:
    """Return what was found in an image."""
    boxes = found.detections
    rows = of_boxes(boxes.xyxy, boxes.class_id, boxes.confidence)
    if kind == "segm":
        for row, counts in zip(rows, found.masks, strict=True):
            row["segmentation"] = {"size": list(found.size), "counts": counts}
    elif kind == "keypoints" and boxes.keypoints is not None:
        for row, points in zip(rows, boxes.keypoints.astype(np.float64), strict=True):
            row["keypoints"] = points.ravel().tolist()
    elif kind == "rotated" and boxes.xyxyxyxy is not None:
        for row, turned in zip(rows, boxes_of(boxes.xyxyxyxy), strict=True):
            row["turned"] = turned
    return Annotations(found.size, rows)


def of_labels(labels: Labels | None, size: tuple[int, int], kind: Kind) -> Annotations:
    """Return what people marked in an image of (height, width)."""
    if labels is None:
        return Annotations(size, [])
    height, width = size
    rows = of_boxes(labels.boxes[:, 1:] * (width, height, width, height), labels.boxes[:, 0])
    for number, row in enumerate(rows):
        outline = labels.outlines[number]
        if kind == "segm" and outline is not None:
            canvas = np.zeros(size, np.uint8)
            cv2.fillPoly(canvas, [(outline * (width, height)).astype(np.int32)], (1,))  # as ultralytics draws it
            row["segmentation"] = write_mask(canvas.astype(np.bool_), "rle")
        elif kind == "rotated" and outline is not None:
            (x, y), sides, degrees = cv2.minAreaRect((outline * (width, height)).astype(np.float32))
            row["turned"] = np.array([x, y, *sides, np.radians(degrees)], np.float32)
        elif kind == "keypoints":
            points = labels.keypoints[number] * (width, height, 1)
            row.update(keypoints=points.ravel().tolist(), num_keypoints=int((points[:, 2] > 0).sum()))
            row["area"] *= PERSON
    return Annotations(size, rows)


def unfit(labels: Labels, metadata: ModelMetadata) -> str:
    """Return why labels are not of a model's task; nothing where they are."""
    posed = labels.keypoints.shape[1]
    if metadata.task == "pose":
        return (
            "" if posed == len(metadata.keypoints) else f"which has {len(metadata.keypoints)} keypoints and not {posed}"
        )
    if posed:
        return f"which has no keypoints, as the {posed} of its kpt_shape"
    if metadata.task == "segment" and any(outline is None for outline in labels.outlines):
        return "which needs a polygon for each object"
    if metadata.task == "obb" and any(outline is None or len(outline) != 4 for outline in labels.outlines):
        return "which needs four corners for each object"
    return ""


def kind_of(found: Sequence[Prediction]) -> Kind:
    """Return how the objects of a model are compared."""
    if any(some.masks for some in found):
        return "segm"
    if any(some.detections.keypoints is not None for some in found):
        return "keypoints"
    return "rotated" if any(some.detections.xyxyxyxy is not None for some in found) else "bbox"


def usual_sigmas(labels: Sequence[Labels | None]) -> tuple[float, ...]:
    """Return what ultralytics takes for sigmas: COCO's for the 17 points of a person, else the same for all."""
    counts = {some.keypoints.shape[1] for some in labels if some is not None} or {0}
    count = max(counts)
    return PEOPLE if count == len(PEOPLE) else (1 / max(1, count),) * count
