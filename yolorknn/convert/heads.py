"""What is cut or replaced in a detection head before export."""

from __future__ import annotations

import types
from typing import Any

from yolorknn.errors import ExportError
from yolorknn.metadata import Head, Output, Role


def check_head(model: Any) -> Any:
    """Return the model's detection head.

    Segment, Pose and OBB heads are subclasses of Detect: they would export, and lose their masks or keypoints.

    Raises:
        ExportError: another head, which is named.
    """
    head = model.model[-1]
    kind = type(head).__name__
    if kind != "Detect":
        raise ExportError(f"the model has a {kind} head; supported are YOLOv8 and YOLO11 detection models (Detect)")
    if head.reg_max == 1 or getattr(head, "one2one_cv2", None) is not None:
        raise ExportError(
            "the model has an end-to-end Detect head, as YOLO26 has; supported are YOLOv8 and YOLO11 detection models"
        )
    return head


def prepare(model: Any, head: Head) -> Any:
    """Return a module that computes the outputs of layout `head`; `model` (fused, eval) is changed in place."""
    from torch import nn
    from ultralytics.nn.modules import C2f

    for module in model.modules():
        if isinstance(module, C2f):
            module.forward = module.forward_split  # Split and no chunk: static slices in the graph
    detect = model.model[-1]
    if head == "split":
        detect.forward = types.MethodType(_split_forward, detect)
        return model
    detect.export = True
    detect.shape = None  # anchor points of another imgsz may be cached

    class Decoded(nn.Module):  # type: ignore[misc]
        """ultralytics' own output with coordinates divided by imgsz, so that one int8 scale fits them and scores."""

        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, images: Any) -> Any:
            import torch

            height, width = images.shape[2:]
            output = self.model(images)
            size = torch.tensor([width, height, width, height], dtype=output.dtype).reshape(1, 4, 1)
            return torch.cat([output[:, :4] / size, output[:, 4:]], dim=1)

    return Decoded().eval()


def _split_forward(self: Any, features: list[Any]) -> tuple[Any, ...]:
    """Per stride: DFL logits of the four sides, and class scores. The rest of Detect is done in postprocess.py."""
    outputs = []
    for box, cls, feature in zip(self.cv2, self.cv3, features, strict=True):
        outputs += [box(feature), cls(feature).sigmoid()]
    return tuple(outputs)


def output_layout(detect: Any, head: Head) -> tuple[Output, ...]:
    """Return the outputs that prepare() makes of this head, in order."""
    if head == "decoded":
        return (Output("output0", "decoded", 0),)
    strides = [int(stride) for stride in detect.stride]
    roles: tuple[Role, Role] = ("box", "cls")
    return tuple(Output(f"{role}{stride}", role, stride) for stride in strides for role in roles)
