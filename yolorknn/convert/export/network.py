"""What is replaced in an ultralytics network, whatever its head, so that its graph is one that rknn-toolkit2 builds."""

from __future__ import annotations

import types
from typing import Any


def fused(model: Any) -> Any:
    """Return the model in eval mode, its batch norms fused, changed in place."""
    from torch import nn
    from ultralytics.nn.modules import C2f, CBFuse

    model.eval().float()
    for parameter in model.parameters():
        parameter.requires_grad = False
    model = model.fuse(verbose=False)
    for module in model.modules():
        if isinstance(module, C2f):
            module.forward = module.forward_split  # Split and no chunk: static slices in the graph
        elif isinstance(module, nn.ZeroPad2d):
            module.forward = types.MethodType(_pad_forward, module)
        elif isinstance(module, CBFuse):
            module.forward = types.MethodType(_fuse_forward, module)
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
