"""The task "pose": boxes with a class and keypoints each.

Outputs of a split head, per stride: `box` and `cls` as of detect.py, `keypoints` (1, 2*K, h, w), the way from the
cell's centre to each keypoint in cells, x and y in turn; and perhaps `visibility` (1, K, h, w), before sigmoid. Apart,
each has a quantization scale that fits it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from yolorknn.image import Image, Letterbox
from yolorknn.model.evidence import Evidence
from yolorknn.model.metadata import ModelMetadata, Tensor
from yolorknn.model.values import Values, sigmoid
from yolorknn.tasks.anchors import anchor_points
from yolorknn.tasks.box_task import BoxTask
from yolorknn.tasks.boxes import gather, postprocess, scales_of
from yolorknn.tasks.candidate import Boxes
from yolorknn.tasks.detections import Detections
from yolorknn.tasks.drawing import draw_boxes
from yolorknn.tasks.drawing_points import draw_keypoints
from yolorknn.tasks.joined import apart, is_joined, joined_shapes, read_joined, said_over_all
from yolorknn.tasks.likeness import Likeness, of_points, of_scores
from yolorknn.tasks.records import box_records, read_boxes
from yolorknn.tasks.split import split_shapes
from yolorknn.tasks.task import Floats, Layout, Thresholds, Wording


class Pose(BoxTask):
    """Boxes with a class and keypoints each; see tasks.task.Task."""

    name = "pose"

    def shapes(self, metadata: ModelMetadata) -> dict[str, tuple[int, ...]]:
        """Return the outputs' shapes."""
        if is_joined(metadata):
            return joined_shapes(metadata)
        count = len(metadata.keypoints)
        return split_shapes(metadata, keypoints=2 * count, visibility=count)

    def recognise(self, imgsz: tuple[int, int], outputs: Sequence[Tensor], evidence: Evidence) -> Layout | None:
        """Know the model zoo's: of others, that they are keypoints, and by which formula, their shapes do not prove."""
        if len(outputs) != 4 or len(outputs[3].shape) != 4 or outputs[3].shape[::2] != (1, 3):
            return None
        found = read_joined(imgsz, outputs, evidence, "points")
        return found and Layout("split", found[0], found[1], keypoints=outputs[3].shape[1])

    def decode(
        self, outputs: Sequence[Values], metadata: ModelMetadata, thresholds: Thresholds, placed: Letterbox
    ) -> Detections:
        """Decode, suppress duplicates, and undo the letterbox; keypoints of what remains."""
        outputs, metadata = apart(outputs, metadata)
        boxes = postprocess(outputs, metadata, thresholds)
        ways, visibility = _keypoints(outputs, metadata, boxes)
        rows = np.empty((len(boxes.xyxy), 4 + len(ways)), np.float32)
        rows[:, :4] = boxes.xyxy
        rows[:, 4:] = ways.T
        points = placed.undo_points(rows.reshape(len(rows), 2 + len(ways) // 2, 2), clip=True)
        keypoints = np.empty((len(rows), len(ways) // 2, 3), np.float32)
        keypoints[..., :2] = points[:, 2:]
        keypoints[..., 2] = visibility
        return Detections(points[:, :2].reshape(len(rows), 4), boxes.confidence, boxes.class_id, keypoints=keypoints)

    def holds(self, found: object) -> bool:
        """Know Detections with keypoints."""
        return isinstance(found, Detections) and found.keypoints is not None

    def likeness(self, expected: Detections, found: Detections) -> tuple[Likeness, ...]:
        """Compare where keypoints are, the more visible the more they count, and how visible they are."""
        one, other = expected.keypoints, found.keypoints
        assert one is not None and other is not None
        away = off = np.full(len(one), np.inf)
        if one.shape == other.shape:
            seen = one[..., 2] + 1e-9
            away = (np.linalg.norm((other - one)[..., :2], axis=2) * seen).sum(axis=1) / seen.sum(axis=1)
            off = np.abs(other - one)[..., 2].mean(axis=1)
        return of_points("keypoints", away, expected), of_scores("visibilities", off)

    def record(self, found: Detections, wording: Wording) -> list[dict[str, Any]]:
        """Return class_id, name, confidence and xyxy of each object, and x, y, visibility of its keypoints by name."""
        assert found.keypoints is not None
        named = (dict(zip(wording.keypoints, _rounded(points), strict=True)) for points in found.keypoints)
        return box_records(found, wording, keypoints=named)

    def read(self, records: Sequence[Mapping[str, Any]]) -> Detections:
        """Return the objects of records."""
        points = np.array([list(record["keypoints"].values()) for record in records], np.float32)
        return Detections(**read_boxes(records), keypoints=points if len(points) else np.zeros((0, 0, 3), np.float32))

    def draw(self, canvas: Image, found: Detections, names: Mapping[int, str] | Sequence[str]) -> None:
        """Draw boxes with names and confidences, and over them keypoints, those of a person as a skeleton."""
        draw_boxes(canvas, found, names)
        draw_keypoints(canvas, found)


def _keypoints(outputs: Sequence[Values], metadata: ModelMetadata, boxes: Boxes) -> tuple[Floats, Floats | float]:
    """Return the keypoints of boxes: x and y in turn, in pixels of the input (2*K, N), and visibility (N, K) or 1."""
    count, anchor = len(metadata.keypoints), boxes.anchor
    if metadata.outputs[-1].role == "points":
        found = said_over_all(outputs, metadata, anchor).reshape(count, 3, len(anchor))
        return found[:, :2].reshape(2 * count, len(anchor)), found[:, 2].T
    scales = scales_of(metadata.outputs)
    roles = [role for role in ("keypoints", "visibility") if role in scales[0].others]
    ways, *logits = gather(outputs, metadata, boxes, *roles)
    table = anchor_points(metadata.imgsz, tuple([scale.stride for scale in scales])).take(anchor, axis=1)
    pairs = ways.reshape(count, 2, len(anchor))
    pairs *= table[2]
    pairs += table[:2]
    return ways, sigmoid(logits[0].T) if logits else 1.0


def _rounded(points: NDArray[np.float32]) -> list[list[float]]:
    return [[round(x, 2), round(y, 2), round(visibility, 4)] for x, y, visibility in points.tolist()]
