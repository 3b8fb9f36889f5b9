"""Simulated NPU cores for Ray's workers, which import this module by its name."""

from __future__ import annotations

from functools import partial

from tests.conftest import DEMO_ONNX
from yolorknn.measure.simulated_npu import SimulatedNpu


def _core(milliseconds: float) -> list[SimulatedNpu]:
    return [SimulatedNpu(DEMO_ONNX, milliseconds)]


def cores(milliseconds: float) -> partial[list[SimulatedNpu]]:
    """Return what makes a worker's core."""
    return partial(_core, milliseconds)
