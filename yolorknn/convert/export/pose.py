"""The head of task "pose": what is cut or replaced in ultralytics' Pose before export."""

from __future__ import annotations

from typing import Any

from yolorknn.convert.export.detect import box_and_scores, computing_with, grids, is_end_to_end, split_only
from yolorknn.convert.export.programs import Layout
from yolorknn.errors import ExportError

COCO = (
    "nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder", "left_elbow",
    "right_elbow", "left_wrist", "right_wrist", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle",
    "right_ankle",
)  # fmt: skip
"""What ultralytics takes 17 keypoints with visibility for, where a checkpoint does not name them."""


class PoseHead:
    """YOLOv8-pose to YOLO26-pose; see heads.ExportHead."""

    task = "pose"
    kinds: tuple[str, ...] = ("Pose", "Pose26")

    def describe(self, model: Any, layout: Layout) -> dict[str, Any]:
        """Return outputs, reg_max, the keypoints' names, and whether the head is one-to-one."""
        pose = model.model[-1]
        split_only(type(pose).__name__, layout)
        count, values = pose.kpt_shape
        if values not in (2, 3):
            raise ExportError(f"the model's keypoints have {values} values each; known are x, y and perhaps visibility")
        seen = ("visibility",) if values == 3 else ()
        return {
            "outputs": grids(pose, "box", "cls", "keypoints", *seen),
            "reg_max": int(pose.reg_max),
            "keypoints": _names(model, int(count)),
            "end_to_end": is_end_to_end(pose),
        }

    def prepare(self, model: Any, layout: Layout) -> Any:
        """Return a module that computes the outputs."""
        model = computing_with(model, _forward)
        pose = model.model[-1]
        pose.parts = [_parts(pose, number) for number in range(pose.nl)]
        return model


def _names(model: Any, count: int) -> tuple[str, ...]:
    """Return the keypoints' names: those of the checkpoint, where it names those of all classes alike.

    Where it names them otherwise they have numbers: they are no person's, whose names they would have else.
    """
    numbered = tuple(f"keypoint{number}" for number in range(count))
    stated = getattr(model, "kpt_names", None)
    lists = {tuple(map(str, names)) for names in stated.values()} if isinstance(stated, dict) else set()
    lists.discard(tuple(map(str, range(count))))  # what ultralytics writes where the data do not name them
    if lists:
        (names, *others) = lists
        return names if not others and len(set(names)) == len(names) == count else numbered
    return COCO if count == len(COCO) else numbered


def _parts(pose: Any, number: int) -> tuple[Any, ...]:
    """Return a stride's layers: what the last convolution sees, and this as one for the ways and one for visibility.

    YOLOv8 and YOLO11 place a keypoint at 2 * value - 0.5 cells from the centre; with that in the weights, exactly, all
    networks say how many cells it is.
    """
    doubled = not hasattr(pose, "cv4_kpts")
    trunk, last = pose.cv4[number][:-1], pose.cv4[number][-1]
    if not doubled:
        trunk, last = pose.cv4[number], pose.cv4_kpts[number]
    count, values = pose.kpt_shape
    ways = _rows(last, [k * values + axis for k in range(count) for axis in (0, 1)])
    if doubled:
        ways.weight.mul_(2)
        ways.bias.mul_(2).sub_(0.5)
    return (trunk, ways, _rows(last, [k * values + 2 for k in range(count)])) if values == 3 else (trunk, ways)


def _rows(conv: Any, rows: list[int]) -> Any:
    """Return the convolution that computes some of the channels."""
    from torch import nn

    part = nn.Conv2d(conv.in_channels, len(rows), conv.kernel_size, conv.stride, conv.padding).requires_grad_(False)
    part.weight.copy_(conv.weight[rows])
    part.bias.copy_(conv.bias[rows])
    return part


def _forward(self: Any, features: list[Any]) -> tuple[Any, ...]:
    """Per stride box, class scores, ways to the keypoints and their visibility; see tasks/pose.py."""
    outputs = []
    for number, feature in enumerate(features):
        trunk, *lasts = self.parts[number]
        branch = trunk(feature)
        outputs += [*box_and_scores(self, number, feature), *(last(branch) for last in lasts)]
    return tuple(outputs)
