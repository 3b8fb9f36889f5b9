"""Networks with the heads of other programs: the demo model's own features, and behind them layers as those have.

Their last convolutions are random, scaled and shifted until they speak, so that there are boxes to compare.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tests.conftest import DATASET, DEMO
from yolorknn.image import letterbox, read_image

IMAGES = sorted((DATASET / "images").glob("*.jpg"))[:4]
IMGSZ = (128, 160)
CONFIDENT = 0.02
"""Part of the boxes whose objectness, or score, is above 0.5."""


def write(
    path: Path, head: Callable[[list[Any]], Any], *, names: Sequence[str], pixels: float = 255, colour: str = "RGB"
) -> Path:
    """Write an .onnx of a head, which is called with the features of each stride.

    Args:
        path: the file.
        head: see below.
        names: of the outputs.
        pixels: what the network takes for white.
        colour: of the input.
    """
    import torch

    from yolorknn.convert.export.torch_versions import write_onnx

    network = network_of(head, pixels, colour)
    with torch.no_grad():
        write_onnx(
            network,
            torch.from_numpy(shown(pixels, colour)[:1]),
            str(path),
            opset_version=12,
            input_names=["images"],
            output_names=list(names),
        )
    return path


def network_of(head: Callable[[list[Any]], Any], pixels: float = 255, colour: str = "RGB") -> Any:
    """Return the module: the demo's layers but the last, and a head."""
    import torch

    demo = _demo()

    class Network(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.layers = demo.model[:-1]

        def forward(self, images: Any) -> Any:
            kept: list[Any] = []
            x = images * (pixels / 255) if pixels != 255 else images
            x = x.flip(1) if colour == "BGR" else x
            for layer in self.layers:
                if layer.f != -1:
                    x = kept[layer.f] if isinstance(layer.f, int) else [x if at == -1 else kept[at] for at in layer.f]
                x = layer(x)
                kept.append(x)
            return head([kept[at] for at in demo.model[-1].f])

    return Network().eval()


def shown(pixels: float = 255, colour: str = "RGB") -> Any:
    """Return the images as the network sees them, float32 (N, 3, h, w)."""
    laid = np.stack([letterbox(read_image(path), IMGSZ)[0] for path in IMAGES])
    laid = laid[..., ::-1] if colour == "BGR" else laid
    return np.ascontiguousarray(laid.transpose(0, 3, 1, 2)).astype(np.float32) / pixels


def _demo() -> Any:
    from yolorknn.convert.export.checkpoint import load, quiet
    from yolorknn.convert.export.network import fused

    with quiet():
        return fused(load(DEMO)[0])


def features() -> list[Any]:
    """Return the demo's features of the images, a stride each."""
    import torch

    with torch.no_grad():
        found: list[Any] = network_of(lambda strides: strides)(torch.from_numpy(shown()))
    return found


def speaking(channels: int, feature: Any, *, sure: Sequence[int] = (), std: float = 1.5, seed: int = 0) -> Any:
    """Return a convolution of a feature whose channels are spread by `std`, those of `sure` seldom above 0."""
    import torch

    torch.manual_seed(seed)
    conv = torch.nn.Conv2d(feature.shape[1], channels, 1).requires_grad_(False)
    with torch.no_grad():
        values = conv(feature).transpose(0, 1).flatten(1)
        scale = std / values.std(dim=1).clamp(min=1e-6)
        conv.weight.mul_(scale[:, None, None, None])
        conv.bias.zero_()
        values = conv(feature).transpose(0, 1).flatten(1)
        share = torch.full((channels,), 0.5)
        share[list(sure)] = 1 - CONFIDENT
        conv.bias.copy_(-torch.stack([row.quantile(float(part)) for row, part in zip(values, share, strict=True)]))
    return conv


def anchored(classes: int, *, sigmoid: bool = True) -> Callable[[list[Any]], Any]:
    """Return YOLOv5's and YOLOv7's head as the model zoo has it."""
    count = 5 + classes
    convs = [
        speaking(3 * count, feature, sure=[4, 4 + count, 4 + 2 * count], seed=number)
        for number, feature in enumerate(features())
    ]

    def head(strides: list[Any]) -> Any:
        found = [conv(feature) for conv, feature in zip(convs, strides, strict=True)]
        return tuple(output.sigmoid() for output in found) if sigmoid else tuple(found)

    return head


def anchored_rows(classes: int, anchors: Sequence[float]) -> Callable[[list[Any]], Any]:
    """Return YOLOv5's head as its own export ends, decoded; of the same weights as anchored()'s."""
    import torch

    outputs = anchored(classes, sigmoid=False)
    sizes = torch.tensor(anchors, dtype=torch.float32).reshape(3, 1, 3, 1, 1, 2)

    def head(strides: list[Any]) -> Any:
        rows = []
        for number, raw in enumerate(outputs(strides)):
            _, _, height, width = raw.shape
            stride = 8 * 2**number
            y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
            grid = torch.stack([x, y], dim=2)[None, None].float() - 0.5
            values = raw.view(1, 3, 5 + classes, height, width).permute(0, 1, 3, 4, 2).contiguous().sigmoid()
            xy, wh, scores = values.split((2, 2, classes + 1), 4)
            joined = torch.cat(((xy * 2 + grid) * stride, (wh * 2) ** 2 * sizes[number], scores), 4)
            rows.append(joined.view(1, 3 * height * width, 5 + classes))
        return torch.cat(rows, 1)

    return head


def yolox(classes: int) -> Callable[[list[Any]], Any]:
    """Return YOLOX's head as the model zoo has it: x, y, width, height as they are, then objectness and classes."""
    import torch

    strides = features()
    branches = [
        [
            speaking(4, feature, std=0.7, seed=number),
            speaking(1, feature, sure=[0], seed=10 + number),
            speaking(classes, feature, seed=20 + number),
        ]
        for number, feature in enumerate(strides)
    ]

    def head(strides: list[Any]) -> Any:
        joined = []
        for (reg, obj, cls), feature in zip(branches, strides, strict=True):
            joined.append(torch.cat([reg(feature), obj(feature).sigmoid(), cls(feature).sigmoid()], 1))
        return tuple(joined)

    return head


def yolov6(classes: int, *, bins: int, sums: bool) -> Callable[[list[Any]], Any]:
    """Return YOLOv6's head as the model zoo has it: distances (or bins of them), class scores, perhaps their sum."""
    import torch

    strides = features()
    branches = [
        [
            speaking(4 * bins, feature, seed=number),
            speaking(classes, feature, sure=range(classes), seed=20 + number),
        ]
        for number, feature in enumerate(strides)
    ]

    def head(strides: list[Any]) -> Any:
        outputs = []
        for (reg, cls), feature in zip(branches, strides, strict=True):
            scores = cls(feature).sigmoid()
            outputs += [reg(feature) + 2 if bins == 1 else reg(feature), scores]
            outputs += [torch.clamp(scores.sum(1, keepdim=True), 0, 1)] if sums else []
        return tuple(outputs)

    return head
