"""YOLO-World and YOLOE: detectors whose classes are texts, as the plain ones that they are once these are set."""

from __future__ import annotations

from functools import partial
from typing import Any

from yolorknn.errors import ExportError

PLAIN = {
    "WorldDetect": ("Detect", "DetectionModel"),
    "YOLOEDetect": ("Detect", "DetectionModel"),
    "YOLOESegment": ("Segment", "SegmentationModel"),
    "YOLOESegment26": ("Segment26", "SegmentationModel"),
}
"""By ultralytics' name of a head, the head and the model that it is with its texts inside."""


def without_prompts(model: Any) -> Any:
    """Return the model, changed in place, with its texts' embeddings made part of its weights; others as they are.

    Raises:
        ExportError: the model has no texts, or computes them from the image, and so other ones for each.
    """
    kind = type(model.model[-1]).__name__
    if kind not in PLAIN:
        return model
    import torch
    from ultralytics.nn import tasks
    from ultralytics.nn.modules import head as heads

    with torch.no_grad():
        (_world if kind == "WorldDetect" else _yoloe)(model)
    head, whole = PLAIN[kind]
    model.model[-1].__class__ = getattr(heads, head)
    model.__class__ = getattr(tasks, whole)
    return model


def _yoloe(model: Any) -> None:
    """Fuse the texts as ultralytics does before its own export."""
    head = model.model[-1]
    if hasattr(head, "lrpc"):
        raise ExportError(
            "the model is a YOLOE without prompts, of which only the classes that it meets are computed: give one of "
            "which set_classes() was called"
        )
    if getattr(model, "pe", None) is None and not head.is_fused:
        raise ExportError(f"{_LACKING}: call set_classes([...]) on it in ultralytics, and save it")
    head.eval()
    if not head.is_fused:
        head.fuse(model.pe)
    for branch in ("", "one2one_"):
        if hasattr(head, f"{branch}cv5"):
            setattr(head, f"{branch}cv4", getattr(head, f"{branch}cv5"))
            delattr(head, f"{branch}cv5")


_LACKING = "the model finds what a text names, and no texts are in it"


def _world(model: Any) -> None:
    """Put the texts into a last convolution of the class scores, and hand them to what else takes them."""
    from torch import nn
    from torch.nn.functional import normalize

    head = model.model[-1]
    texts = model.txt_feats.float()
    if any(type(layer).__name__ == "ImagePoolingAttn" for layer in model.model):
        raise ExportError(
            "the model is a YOLO-World of the first version, which changes its texts by the image: take one of the "
            "second, as yolov8s-worldv2.pt"
        )
    if texts.shape[1] != len(model.names):
        raise ExportError(f"{_LACKING} for its {len(model.names)} classes: call set_classes([...]), and save it")
    for branch, contrast in zip(head.cv3, head.cv4, strict=True):
        words = normalize(texts[0], dim=-1, p=2) * contrast.logit_scale.exp()
        last = nn.Conv2d(words.shape[1], len(words), 1).requires_grad_(False)
        last.weight.copy_(words[:, :, None, None])
        last.bias.copy_(contrast.bias.expand(len(words)))
        branch.append(contrast.norm)
        branch.append(last)
    del head.cv4
    for layer in model.model:
        if type(layer).__name__ == "C2fAttn":
            layer.forward = partial(layer.forward_split, guide=texts)
