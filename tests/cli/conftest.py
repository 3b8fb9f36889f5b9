"""Recorders in place of what build and export both call, and a video of real images."""

from __future__ import annotations

from pathlib import Path

import cv2
import pytest

from tests.conftest import DATASET
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


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve images of the demo's data, 20 a second."""
    path = tmp_path_factory.mktemp("video") / "clip.mp4"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 20.0, (320, 240))
    for image in sorted((DATASET / "images").glob("*.jpg"))[:12]:
        frame = cv2.imread(str(image))
        assert frame is not None
        writer.write(cv2.resize(frame, (320, 240)))
    writer.release()
    return path
