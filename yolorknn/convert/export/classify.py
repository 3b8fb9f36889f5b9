"""The head of task "classify": what is cut or replaced in ultralytics' Classify before export."""

from __future__ import annotations

import types
from typing import Any

from yolorknn.convert.export.detect import split_only
from yolorknn.convert.export.network import fused
from yolorknn.convert.export.programs import Layout
from yolorknn.model.metadata import Output


class ClassifyHead:
    """YOLOv8-cls to YOLO26-cls; see heads.ExportHead."""

    task = "classify"
    kinds: tuple[str, ...] = ("Classify",)

    def describe(self, model: Any, layout: Layout) -> dict[str, Any]:
        """Return the output, and mean and std where the checkpoint was trained with others than 0 and 1."""
        split_only("Classify", layout)
        return {"outputs": (Output("logits", "logits", 0),), **_normalisation(model)}

    def prepare(self, model: Any, layout: Layout) -> Any:
        """Return a module that computes the output: the linear layer as a 1x1 convolution, which needs no reshaping."""
        from torch import nn

        model = fused(model)
        head = model.model[-1]
        last = nn.Conv2d(head.linear.in_features, head.linear.out_features, 1).requires_grad_(False)
        last.weight.copy_(head.linear.weight[:, :, None, None])
        last.bias.copy_(head.linear.bias)
        head.linear = last
        head.forward = types.MethodType(_forward, head)
        return model


def _normalisation(model: Any) -> dict[str, Any]:
    """Return mean and std of the transforms that ultralytics applies: a checkpoint's own, which old ones have."""
    for transform in getattr(getattr(model, "transforms", None), "transforms", ()):
        if type(transform).__name__ == "Normalize":
            mean, std = (tuple(255 * float(value) for value in values) for values in (transform.mean, transform.std))
            return {"mean": mean, "std": std}
    return {}


def _forward(self: Any, features: Any) -> Any:
    """What softmax makes probabilities of; see tasks/classify.py."""
    import torch

    joined = torch.cat(features, 1) if isinstance(features, list) else features
    return self.linear(self.pool(self.conv(joined)))
