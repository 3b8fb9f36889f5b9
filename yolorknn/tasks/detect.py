"""The task "detect": boxes with a class each.

Outputs of a split head, per stride: `box` (1, 4*reg_max, h, w), DFL logits, or distances in cells where reg_max is 1;
`cls` (1, nc, h, w), class scores after sigmoid; perhaps `sum` (1, 1, h, w), their clipped sum. Of a decoded head:
`decoded` (1, 4+nc, anchors), xywh and scores.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from yolorknn.image import Image, Letterbox
from yolorknn.model.metadata import ModelMetadata, Output, Tensor
from yolorknn.model.values import Values
from yolorknn.tasks.boxes import postprocess
from yolorknn.tasks.detections import Detections
from yolorknn.tasks.drawing import draw_boxes
from yolorknn.tasks.scenes import box_scene
from yolorknn.tasks.task import Floats, Layout, Thresholds

STRIDES = ((8, 16, 32), (4, 8, 16, 32), (8, 16, 32, 64), (16, 32))
"""Strides of YOLO detection heads: the usual, P2, P6, and v3-tiny."""


class Detect:
    """Boxes with a class each; see tasks.task.Task."""

    name = "detect"
    fields: tuple[str, ...] = ()

    def shapes(self, metadata: ModelMetadata) -> dict[str, tuple[int, ...]]:
        """Return the outputs' shapes; those of a decoded head as with the usual strides, which it does not say."""
        height, width = metadata.imgsz
        classes = len(metadata.names)
        channels = {"box": 4 * metadata.reg_max, "cls": classes, "sum": 1}
        return {
            out.name: (1, 4 + classes, _anchors(metadata.imgsz, STRIDES[0]))
            if out.role == "decoded"
            else (1, channels[out.role], height // out.stride, width // out.stride)
            for out in metadata.outputs
        }

    def fits(self, metadata: ModelMetadata, outputs: Sequence[Tensor]) -> bool:
        """Compare names, order and shapes; of a decoded head the channels."""
        if metadata.head == "decoded":
            return [tensor.shape[:2] for tensor in outputs] == [(1, 4 + len(metadata.names))]
        return [(tensor.name, tensor.shape) for tensor in outputs] == list(self.shapes(metadata).items())

    def recognise(self, imgsz: tuple[int, int], outputs: Sequence[Tensor]) -> Layout | None:
        """Know the model zoo's head (box, cls and perhaps a score sum per stride), and ultralytics' own in pixels."""
        split = all(len(tensor.shape) == 4 for tensor in outputs)
        return _split(imgsz, outputs) if split else _decoded(imgsz, outputs)

    def decode(
        self, outputs: Sequence[Values], metadata: ModelMetadata, thresholds: Thresholds, placed: Letterbox
    ) -> Detections:
        """Decode, suppress duplicates, and undo the letterbox."""
        boxes = postprocess(outputs, metadata, thresholds)
        return Detections(placed.undo(boxes.xyxy), boxes.confidence, boxes.class_id)

    def scene(self, metadata: ModelMetadata) -> list[Floats]:
        """Return outputs of a street scene."""
        return box_scene(metadata, self.shapes(metadata).values())

    def record(self, detections: Detections, names: Mapping[int, str]) -> list[dict[str, Any]]:
        """Return class_id, name, confidence and xyxy of each box."""
        return [
            {
                "class_id": class_id,
                "name": names[class_id],
                "confidence": round(confidence, 4),
                "xyxy": [round(float(side), 2) for side in xyxy],
            }
            for xyxy, confidence, class_id in detections
        ]

    def read(self, records: Sequence[Mapping[str, Any]]) -> Detections:
        """Return the boxes of records."""
        return Detections(
            np.array([box["xyxy"] for box in records], np.float32).reshape(-1, 4),
            np.array([box["confidence"] for box in records], np.float32),
            np.array([box["class_id"] for box in records], np.int64),
        )

    def draw(self, canvas: Image, detections: Detections, names: Mapping[int, str] | Sequence[str]) -> None:
        """Draw boxes with names and confidences."""
        draw_boxes(canvas, detections, names)


def _anchors(imgsz: tuple[int, int], strides: Sequence[int]) -> int:
    return sum((imgsz[0] // stride) * (imgsz[1] // stride) for stride in strides)


def _split(imgsz: tuple[int, int], outputs: Sequence[Tensor]) -> Layout | None:
    groups: dict[tuple[int, ...], list[Tensor]] = {}
    for tensor in outputs:
        groups.setdefault(tensor.shape[2:], []).append(tensor)
    roles: list[Output] = []
    kinds = set()
    for (height, width), group in groups.items():
        if min(height, width) < 1 or imgsz[0] % height or imgsz[0] // height * width != imgsz[1]:
            return None
        channels = [tensor.shape[1] for tensor in group]
        if len(group) not in (2, 3) or channels[0] % 4 or (len(group) == 3 and channels[2] != 1):
            return None
        kinds.add(tuple(channels))
        stride = imgsz[0] // height
        roles += [Output(tensor.name, role, stride) for tensor, role in zip(group, ("box", "cls", "sum"), strict=False)]
    if len(kinds) != 1:
        return None
    box, classes = kinds.pop()[:2]
    return Layout("split", tuple(roles), classes, box // 4)


def _decoded(imgsz: tuple[int, int], outputs: Sequence[Tensor]) -> Layout | None:
    if len(outputs) != 1 or len(outputs[0].shape) != 3 or outputs[0].shape[0] != 1:
        return None
    _, channels, anchors = outputs[0].shape
    if anchors not in [_anchors(imgsz, strides) for strides in STRIDES] or channels < 5:
        return None
    return Layout("decoded", (Output(outputs[0].name, "decoded", 0),), channels - 4)
