"""ms per frame on one NPU core, estimated from the build log's layer table. An estimate: nothing here ran on a board.

The table's own cycles, added up at 1 GHz, promise 1.4 to 5 times what boards do: they leave out a third of the
operators (Add, Concat, Split, ...), and grant one core the whole chip's memory bandwidth. Here every operator takes as
long as the slower of its multiplications (the table's NPU cycles) and of moving its bytes at the bandwidth that one
core really gets. That bandwidth, the only free number, is set to what fits best the speeds that Rockchip publishes for
yolov8n, yolov8s, yolov8m, yolo11n, yolo11s and yolo11m (640, int8; rknn_model_zoo's README for 2.3.2).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from yolorknn.convert.tables.layers import Layer
from yolorknn.errors import BuildError

CLOCK_MHZ = 1000.0
FITTED = {
    "rk3588": (4.6, 0.15),
    "rk3576": (5.7, 0.15),
    "rk3562": (2.4, 0.15),
    "rk3566": (1.75, 0.3),
    "rk3568": (1.75, 0.3),
}
"""By platform: GB/s of one core, and the share of the estimate within which all six published speeds lie."""
UNFITTED_RATIO = 3.5
"""Largest ratio of a published speed's ms to the bound, over the same models and platforms."""


@dataclass(frozen=True)
class Estimate:
    """ms per frame on one core: what is likely, and between what it should lie."""

    ms: float | None
    """None where no speeds are published to compare with."""
    low_ms: float
    high_ms: float
    bound_ms: float
    """No board is faster: multiplications, or moving the bytes at the whole chip's bandwidth."""
    traffic_mb: float
    """Bytes read and written by all operators, 10^6."""
    bandwidth: float
    """GB/s that the operators' ms are computed with: the fitted, else the whole chip's."""
    how: str
    """One sentence on how it was computed."""

    def __str__(self) -> str:
        digits = 1 if self.high_ms >= 1 else 3
        likely = f"about {self.ms:.{digits}f} ms, " if self.ms is not None else ""
        return f"{likely}{self.low_ms:.{digits}f} to {self.high_ms:.{digits}f} ms"


def estimate(layers: Sequence[Layer], platform: str) -> Estimate:
    """Estimate ms per frame on one NPU core of `platform`; what runs on the CPU is not in it.

    Raises:
        BuildError: the table has no operator on the NPU.
    """
    npu = [layer for layer in layers if layer.target == "NPU"]
    moving = on_npu(layers)
    if not moving:
        raise BuildError("rknn-toolkit2's layer table has no operator on the NPU: there is nothing to estimate")
    whole = max(layer.moved_bytes / layer.ddr_cycles for layer in moving) * CLOCK_MHZ / 1e3
    bound = sum(layer_ms(layer, whole) for layer in npu)
    traffic = sum(layer.moved_bytes for layer in npu) / 1e6
    if platform not in FITTED:
        how = (
            f"no speeds are published for {platform}: between the bound of its cycles at {CLOCK_MHZ:.0f} MHz and "
            f"{UNFITTED_RATIO:g} times that, the most by which other chips are slower"
        )
        return Estimate(None, bound, UNFITTED_RATIO * bound, bound, traffic, whole, how)
    bandwidth, margin = FITTED[platform]
    ms = sum(layer_ms(layer, bandwidth) for layer in npu)
    floating = sum(layer_ms(layer, bandwidth) for layer in npu if layer.dtype != "INT8")
    fit, margin = margin, margin * (1 + floating / ms)  # wider for fp16: all published speeds are of int8
    how = (
        f"each operator takes its NPU cycles at {CLOCK_MHZ:.0f} MHz or its bytes at {bandwidth:g} GB/s, whichever is "
        f"longer; that bandwidth fits Rockchip's published speeds of six int8 models to ±{fit:.0%}"
    )
    return Estimate(ms, max(ms * (1 - margin), bound), ms * (1 + margin), bound, traffic, bandwidth, how)


def on_npu(layers: Sequence[Layer]) -> list[Layer]:
    """Return the operators on the NPU that the compiler counts cycles of."""
    return [layer for layer in layers if layer.target == "NPU" and layer.ddr_cycles]


def layer_ms(layer: Layer, bandwidth: float) -> float:
    """Return the ms of one operator of the NPU at so many GB/s; 0 off the NPU."""
    if layer.target != "NPU":
        return 0.0
    return max(layer.npu_cycles / CLOCK_MHZ / 1e3, layer.moved_bytes / bandwidth / 1e6)
