"""The task "obb": boxes turned by an angle, with a class each.

Outputs of a split head, per stride: `box` and `cls` as of detect.py, the distances measured along the turned sides; and
the angle (1, 1, h, w): `angle`, after sigmoid, for -pi/4 to 3*pi/4, or `radians`, as they are.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np

from yolorknn.image import Image, Letterbox
from yolorknn.model.evidence import Evidence
from yolorknn.model.metadata import ModelMetadata, Tensor
from yolorknn.model.values import Values
from yolorknn.tasks.anchors import anchor_points
from yolorknn.tasks.box_task import BoxTask
from yolorknn.tasks.boxes import Scale, candidates, gather, scales_of
from yolorknn.tasks.candidate import FAR, Boxes
from yolorknn.tasks.detections import Detections
from yolorknn.tasks.drawing import Label, colour, draw_labels, label, line_width, numbered
from yolorknn.tasks.joined import apart, is_joined, joined_shapes, read_joined, said_over_all
from yolorknn.tasks.likeness import Likeness, of_points
from yolorknn.tasks.records import box_records, read_boxes
from yolorknn.tasks.rotated import corners_of, rotated_nms, turned_about, upright
from yolorknn.tasks.sound import check_scores
from yolorknn.tasks.split import split_shapes
from yolorknn.tasks.task import Floats, Layout, Thresholds, Wording


class Obb(BoxTask):
    """Turned boxes with a class each; see tasks.task.Task."""

    name = "obb"

    def shapes(self, metadata: ModelMetadata) -> dict[str, tuple[int, ...]]:
        """Return the outputs' shapes."""
        return joined_shapes(metadata) if is_joined(metadata) else split_shapes(metadata, angle=1, radians=1)

    def scene(self, metadata: ModelMetadata) -> list[Floats]:
        """Return outputs of a street scene; its boxes lie upright, so that the anchors of one agree on it."""
        made = super().scene(metadata)
        for output, array in zip(metadata.outputs, made, strict=True):
            if output.role in ("angle", "radians"):
                array[:] = 0.25 if output.role == "angle" else 0
        return made

    def recognise(self, imgsz: tuple[int, int], outputs: Sequence[Tensor], evidence: Evidence) -> Layout | None:
        """Know the model zoo's: of others, a third output of one channel may be a score sum as well."""
        if len(outputs) != 4 or len(outputs[3].shape) != 3 or outputs[3].shape[:2] != (1, 1):
            return None
        if evidence.kind(outputs[3].name) not in ("scores", None):
            return None
        found = read_joined(imgsz, outputs, evidence, "angles")
        return found and Layout("split", *found)

    def decode(
        self, outputs: Sequence[Values], metadata: ModelMetadata, thresholds: Thresholds, placed: Letterbox
    ) -> Detections:
        """Decode, suppress duplicates, and undo the letterbox."""
        outputs, metadata = apart(outputs, metadata)
        found = candidates(outputs, metadata, thresholds)
        turned, confidence, class_id = _turned(found, outputs, metadata), found.confidence, found.class_id
        if not metadata.end_to_end:
            among = None if thresholds.agnostic_nms else class_id
            kept = rotated_nms(turned, confidence, among, iou=thresholds.iou)[: thresholds.max_det]
            turned, confidence, class_id = turned.take(kept, axis=0), confidence.take(kept), class_id.take(kept)
        turned[:, :2] = placed.undo_points(turned[:, :2])
        height, width = placed.source
        turned[:, 2] *= width / placed.resized[1]
        turned[:, 3] *= height / placed.resized[0]
        corners = corners_of(turned)
        np.minimum(np.maximum(corners, -FAR, out=corners), FAR, out=corners)  # of an infinite side; draw() takes these
        xyxy = upright(corners)
        np.maximum(xyxy, 0, out=xyxy)
        np.minimum(xyxy, np.array([width, height, width, height], np.float32), out=xyxy)
        return Detections(xyxy, confidence, class_id, xyxyxyxy=corners)

    def holds(self, found: object) -> bool:
        """Know Detections with corners."""
        return isinstance(found, Detections) and found.xyxyxyxy is not None

    def likeness(self, expected: Detections, found: Detections) -> tuple[Likeness, ...]:
        """Compare corners, whichever is the first: a box may as well be turned by half a circle."""
        one, other = expected.xyxyxyxy, found.xyxyxyxy
        assert one is not None and other is not None
        ways = (np.linalg.norm(one - np.roll(other, shift, axis=1), axis=2).mean(axis=1) for shift in range(4))
        return (of_points("corners", np.minimum.reduce(list(ways)), expected),)

    def record(self, found: Detections, wording: Wording) -> list[dict[str, Any]]:
        """Return class_id, name, confidence, xyxy and the corners of each box."""
        assert found.xyxyxyxy is not None
        boxes = ([[round(x, 2), round(y, 2)] for x, y in corners] for corners in found.xyxyxyxy.tolist())
        return box_records(found, wording, xyxyxyxy=boxes)

    def read(self, records: Sequence[Mapping[str, Any]]) -> Detections:
        """Return the boxes of records."""
        corners = np.array([record["xyxyxyxy"] for record in records], np.float32).reshape(-1, 4, 2)
        return Detections(**read_boxes(records), xyxyxyxy=corners)

    def draw(self, canvas: Image, found: Detections, names: Mapping[int, str] | Sequence[str]) -> None:
        """Draw turned boxes, names and confidences at their highest corner, the most confident on top."""
        assert found.xyxyxyxy is not None
        line = line_width(canvas, found.xyxy)
        labels = []
        for number in reversed(range(len(found))):
            class_id = int(found.class_id[number])
            paint, places = colour(class_id), found.xyxyxyxy[number].round().astype(np.int32)
            cv2.polylines(canvas, [places], isClosed=True, color=paint, thickness=line, lineType=cv2.LINE_AA)
            x, y = (int(side) for side in places[places[:, 1].argmin()])
            text = label(names[class_id], class_id) + numbered(found, number)
            labels.append(Label((x, y), text, float(found.confidence[number]), paint))
        draw_labels(canvas, labels[::-1], found.xyxy)


def _turned(found: Boxes, outputs: Sequence[Values], metadata: ModelMetadata) -> Floats:
    """Return centre, width, height in pixels of the input, and radians of boxes: (N, 5).

    Upright, a box lies around its anchor as the distances say; it turns about the anchor.
    """
    scales = scales_of(metadata.outputs)
    points = anchor_points(metadata.imgsz, tuple([scale.stride for scale in scales]))[:2].take(found.anchor, axis=1)
    angle = _radians(found, outputs, metadata, scales[0])
    angle[np.isinf(angle)] = 0  # of no number a box turns; with NaN in it no other box would be suppressed
    sides = found.xyxy.T
    return turned_about(sides[:2], sides[2:], points, angle).T


def _radians(found: Boxes, outputs: Sequence[Values], metadata: ModelMetadata, scale: Scale) -> Floats:
    """Return the angles of boxes, (N,)."""
    if "radians" in scale.others:
        return gather(outputs, metadata, found, "radians")[0].ravel()
    if metadata.outputs[-1].role == "angles":
        angle = said_over_all(outputs, metadata, found.anchor).ravel()
        check_scores(metadata.outputs[-1].name, angle)
    else:
        angle = gather(outputs, metadata, found, "angle")[0].ravel()
    angle -= 0.25
    angle *= math.pi
    return angle
