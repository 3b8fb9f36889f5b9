"""Recorders in place of what build and export both call."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fakes.commands import Recorder, replace_function
from yolorknn.measure.gate_report import GateReport, Trial

MADE = Path("out/m-rk3588-fp16.rknn")


@pytest.fixture
def build(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    return replace_function(monkeypatch, "yolorknn.convert.build.build", MADE)


@pytest.fixture
def within(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    trial = Trial("mean", {}, 100, 0.468, 0.2, 3_000_000, 10.0)
    report = GateReport("m.onnx", "rk3588", "d.yaml", 200, 0.47, 0.5, (trial,), "mean")
    return replace_function(monkeypatch, "yolorknn.measure.gate.build_within", (MADE, report))
