"""A layer of one's own in torch, to its rows in the table of what the NPU does: python custom_layer.py."""

import subprocess
import sys
from typing import Any

import torch

from yolorknn import build, export_module


class GatedUnit(torch.nn.Module):  # type: ignore[misc, unused-ignore]
    """Two convolutions, one of which opens and shuts the other."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.value = torch.nn.Conv2d(channels, channels, 3, padding=1)
        self.gate = torch.nn.Conv2d(channels, channels, 1)

    def forward(self, image: Any) -> Any:
        return self.value(image) * torch.sigmoid(self.gate(image))


if __name__ == "__main__":
    network = torch.nn.Sequential(GatedUnit(8), torch.nn.ReLU())
    onnx = export_module(network, torch.rand(1, 8, 16, 16), "gated.onnx", input_names=["image"])
    rknn = build(onnx, platform="rk3588", generic=True)
    subprocess.run([sys.executable, "-m", "yolorknn", "analyze", str(rknn)], check=True)
