"""The task "detect": boxes with a class each.

Outputs of a split head, per stride: `box` (1, 4*reg_max, h, w), DFL logits, or distances in cells where reg_max is 1;
`cls` (1, nc, h, w), class scores after sigmoid; perhaps `sum` (1, 1, h, w), their clipped sum. Of a decoded head:
`decoded` (1, 4+nc, anchors), xywh and scores. Those of others with an objectness: see objectness.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from yolorknn.image import Image, Letterbox
from yolorknn.model.evidence import Evidence
from yolorknn.model.metadata import ModelMetadata, Output, Tensor
from yolorknn.model.values import Values
from yolorknn.tasks.box_task import BoxTask
from yolorknn.tasks.boxes import postprocess
from yolorknn.tasks.detections import Detections
from yolorknn.tasks.drawing import draw_boxes
from yolorknn.tasks.likeness import Likeness
from yolorknn.tasks.objectness import BEFORE, channels_of, has_objectness
from yolorknn.tasks.other_heads import ANCHORS, recognise_objectness
from yolorknn.tasks.records import box_records, read_boxes
from yolorknn.tasks.split import STRIDES, cells_of, grids_of, in_order, read_grids, split_shapes
from yolorknn.tasks.task import Layout, Thresholds, Wording

LAYOUTS = (STRIDES, (4, 8, 16, 32), (8, 16, 32, 64), (16, 32))
"""Strides of YOLO detection heads: the usual, P2, P6, and v3-tiny."""
NORMALIZED = 4.0
"""Coordinates are shares of the input's sides where none can be so large; else pixels."""


class Detect(BoxTask):
    """Boxes with a class each; see tasks.task.Task."""

    name = "detect"

    def shapes(self, metadata: ModelMetadata) -> dict[str, tuple[int, ...]]:
        """Return the outputs' shapes; those of a decoded head as with the usual strides, which it does not say."""
        if metadata.head == "decoded":
            cells = cells_of(metadata.imgsz)
            if has_objectness(metadata):
                return {out.name: (1, ANCHORS * cells, BEFORE + len(metadata.names)) for out in metadata.outputs}
            return {out.name: (1, 4 + len(metadata.names), cells) for out in metadata.outputs}
        return split_shapes(metadata, **channels_of(metadata))

    def fits(self, metadata: ModelMetadata, outputs: Sequence[Tensor]) -> bool:
        """Compare names, order and shapes; of a decoded head the channels."""
        if metadata.head == "decoded" and not has_objectness(metadata):
            return [tensor.shape[:2] for tensor in outputs] == [(1, 4 + len(metadata.names))]
        return super().fits(metadata, outputs)

    def recognise(self, imgsz: tuple[int, int], outputs: Sequence[Tensor], evidence: Evidence) -> Layout | None:
        """Know the model zoo's head (box, cls and perhaps a sum per stride), ultralytics' own, and other_heads."""
        split = all(len(tensor.shape) == 4 for tensor in outputs)
        found = _split(imgsz, outputs, evidence) if split else _decoded(imgsz, outputs, evidence)
        return found or recognise_objectness(imgsz, outputs, evidence)

    def decode(
        self, outputs: Sequence[Values], metadata: ModelMetadata, thresholds: Thresholds, placed: Letterbox
    ) -> Detections:
        """Decode, suppress duplicates, and undo the letterbox."""
        boxes = postprocess(outputs, metadata, thresholds)
        return Detections(placed.undo(boxes.xyxy), boxes.confidence, boxes.class_id)

    def holds(self, found: object) -> bool:
        """Know Detections."""
        return isinstance(found, Detections)

    def likeness(self, expected: Detections, found: Detections) -> tuple[Likeness, ...]:
        """Compare nothing more."""
        return ()

    def record(self, found: Detections, wording: Wording) -> list[dict[str, Any]]:
        """Return class_id, name, confidence and xyxy of each box."""
        return box_records(found, wording)

    def read(self, records: Sequence[Mapping[str, Any]]) -> Detections:
        """Return the boxes of records."""
        return Detections(**read_boxes(records))

    def draw(self, canvas: Image, found: Detections, names: Mapping[int, str] | Sequence[str]) -> None:
        """Draw boxes with names and confidences."""
        draw_boxes(canvas, found, names)


def _split(imgsz: tuple[int, int], outputs: Sequence[Tensor], evidence: Evidence) -> Layout | None:
    found = read_grids(grids_of(imgsz, outputs), evidence, (("box", "cls"), ("box", "cls", "sum")))
    if found is None:
        return None
    ordered = in_order(found, outputs)
    sides = {output.role: tensor.shape[1] for output, tensor in zip(ordered, outputs, strict=True)}
    return Layout("split", ordered, sides["cls"], sides["box"] // 4)


def _decoded(imgsz: tuple[int, int], outputs: Sequence[Tensor], evidence: Evidence) -> Layout | None:
    """Read (1, 4 + classes, anchors), which may as well have keypoints or an angle behind the classes.

    A graph shows that the scores are the last; and that boxes are multiplied by strides, so that they are in pixels.
    Without one somebody must say how many classes there are, and int8 shows by its range what the coordinates are.
    """
    if len(outputs) != 1 or len(outputs[0].shape) != 3 or outputs[0].shape[0] != 1:
        return None
    name, (_, channels, anchors) = outputs[0].name, outputs[0].shape
    if anchors not in [cells_of(imgsz, strides) for strides in LAYOUTS] or channels < 5:
        return None
    if evidence.nodes is not None:
        *boxes, scores = evidence.parts(name)
        if not boxes or evidence.kind(scores) != "scores" or evidence.maker(boxes[0]) != "Mul":
            return None
        if "scores" in map(evidence.kind, boxes):
            return None
    elif evidence.classes != channels - 4:
        return None
    normalized = name in evidence.ranges and evidence.ranges[name][1] < NORMALIZED
    return Layout("decoded", (Output(name, "decoded", 0),), channels - 4, normalized=normalized)
