"""The head of task "detect": what is cut or replaced in ultralytics' Detect before export."""

from __future__ import annotations

import types
from typing import Any

from yolorknn.convert.export.network import fused
from yolorknn.model.metadata import Head, Output


class DetectHead:
    """YOLOv3u to YOLO26; see heads.ExportHead."""

    task = "detect"
    kinds: tuple[str, ...] = ("Detect", "v10Detect")

    def describe(self, model: Any, layout: Head) -> dict[str, Any]:
        """Return outputs, reg_max, and whether coordinates are divided by imgsz and the head is one-to-one."""
        detect = model.model[-1]
        outputs = [
            Output(f"{role}{int(stride)}", role, int(stride)) for stride in detect.stride for role in ("box", "cls")
        ]
        return {
            "outputs": (Output("output0", "decoded", 0),) if layout == "decoded" else tuple(outputs),
            "reg_max": int(detect.reg_max),
            "normalized": layout == "decoded",
            "end_to_end": _is_end_to_end(detect),
        }

    def prepare(self, model: Any, layout: Head) -> Any:
        """Return a module that computes the outputs of a layout.

        Of an end-to-end head the one-to-one branch is taken, as far as its scores and boxes; the top-k that ultralytics
        puts behind them is done in tasks/boxes.py.
        """
        detect = model.model[-1]
        end_to_end = _is_end_to_end(detect)
        if end_to_end:
            detect.end2end = True  # else fuse() throws the one-to-one branch away
        model = fused(model)
        if end_to_end:  # from here on it is a Detect without NMS-free branch
            detect.cv2, detect.cv3 = detect.one2one_cv2, detect.one2one_cv3
            detect.one2one_cv2 = detect.one2one_cv3 = None
            detect.end2end = False
        detect.forward = types.MethodType(_split_forward if layout == "split" else _decoded_forward, detect)
        return model


def _is_end_to_end(detect: Any) -> bool:
    """Return whether the head, as in YOLOv10 and YOLO26, has a branch trained one-to-one, which needs no NMS."""
    return getattr(detect, "one2one_cv2", None) is not None


def _split_forward(self: Any, features: list[Any]) -> tuple[Any, ...]:
    """Per stride: DFL logits of the four sides (distances where reg_max is 1), and class scores.

    The rest of Detect is done in tasks/boxes.py.
    """
    outputs = []
    for box, cls, feature in zip(self.cv2, self.cv3, features, strict=True):
        outputs += [box(feature), cls(feature).sigmoid()]
    return tuple(outputs)


def _decoded_forward(self: Any, features: list[Any]) -> Any:
    """Centre, width and height divided by imgsz, so that one int8 scale fits them and the scores; and the scores.

    Stride by stride: rknn-toolkit2 2.5.0 crashes on a DFL of all strides in one tensor, and the NPU's registers count
    at most 8191 of the 8400 anchors of 640 pixels.
    """
    import torch

    outputs = []
    for box, cls, feature in zip(self.cv2, self.cv3, features, strict=True):
        height, width = feature.shape[2:]
        size = torch.tensor([width, height], dtype=torch.float32).reshape(1, 2, 1)  # in cells, as the distances are
        y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
        points = torch.stack([x.flatten(), y.flatten()])[None] / size
        near, far = (self.dfl(box(feature).flatten(2)) / torch.cat([size, size], dim=1)).split(2, dim=1)
        outputs.append(torch.cat([points + (far - near) / 2, near + far, cls(feature).flatten(2).sigmoid()], dim=1))
    return torch.cat(outputs, dim=2)
