"""What is cut or replaced in a detection head before export."""

from __future__ import annotations

import types
from typing import Any

from yolorknn.errors import ExportError
from yolorknn.model.metadata import Head, Output


def check_head(model: Any) -> Any:
    """Return the model's detection head.

    Segment, Pose and OBB heads are subclasses of Detect: they would export, and lose their masks or keypoints.

    Raises:
        ExportError: another head, which is named.
    """
    head = model.model[-1]
    kind = type(head).__name__
    if kind not in ("Detect", "v10Detect"):
        raise ExportError(f"the model has a {kind} head; supported are detection models, YOLOv3u to YOLO26 (Detect)")
    return head


def is_end_to_end(detect: Any) -> bool:
    """Return whether the head, as in YOLOv10 and YOLO26, has a branch trained one-to-one, which needs no NMS."""
    return getattr(detect, "one2one_cv2", None) is not None


def prepare(model: Any, head: Head) -> Any:
    """Return a module that computes the outputs of layout `head`; `model` (eval) is fused and changed in place.

    Of an end-to-end head the one-to-one branch is taken, as far as its scores and boxes; the top-k that ultralytics
    puts behind them is done in tasks/detect.py.
    """
    from torch import nn
    from ultralytics.nn.modules import C2f, CBFuse

    detect = model.model[-1]
    if end_to_end := is_end_to_end(detect):
        detect.end2end = True  # else fuse() throws the one-to-one branch away
    model = model.fuse(verbose=False)
    if end_to_end:  # from here on it is a Detect without NMS-free branch
        detect.cv2, detect.cv3 = detect.one2one_cv2, detect.one2one_cv3
        detect.one2one_cv2 = detect.one2one_cv3 = None
        detect.end2end = False
    for module in model.modules():
        if isinstance(module, C2f):
            module.forward = module.forward_split  # Split and no chunk: static slices in the graph
        elif isinstance(module, nn.ZeroPad2d):
            module.forward = types.MethodType(_pad_forward, module)
        elif isinstance(module, CBFuse):
            module.forward = types.MethodType(_fuse_forward, module)
    detect.forward = types.MethodType(_split_forward if head == "split" else _decoded_forward, detect)
    return model


def _pad_forward(self: Any, image: Any) -> Any:
    """Pad right and below, as YOLOv3-tiny does before a MaxPool, with a Concat of zeros.

    onnxruntime fuses Pad and MaxPool to a MaxPool whose padding is below all values, which changes the result.
    """
    import torch

    _, right, _, below = self.padding
    batch, channels, height, width = image.shape
    image = torch.cat([image, torch.zeros(batch, channels, height, right)], dim=3)
    return torch.cat([image, torch.zeros(batch, channels, below, width + right)], dim=2)


def _fuse_forward(self: Any, features: list[Any]) -> Any:
    """Resize and add up the features of YOLOv9-e, one by one: stacked and summed they exceed the NPU's registers."""
    from torch.nn.functional import interpolate

    *branches, total = features
    size = total.shape[2:]
    for index, branch in zip(self.idx, branches, strict=True):
        total = total + interpolate(branch[index], size=size, mode="nearest")
    return total


def _split_forward(self: Any, features: list[Any]) -> tuple[Any, ...]:
    """Per stride: DFL logits of the four sides (distances where reg_max is 1), and class scores.

    The rest of Detect is done in tasks/detect.py.
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


def output_layout(detect: Any, head: Head) -> tuple[Output, ...]:
    """Return the outputs that prepare() makes of this head, in order."""
    if head == "decoded":
        return (Output("output0", "decoded", 0),)
    strides = [int(stride) for stride in detect.stride]
    roles = ("box", "cls")
    return tuple(Output(f"{role}{stride}", role, stride) for stride in strides for role in roles)
