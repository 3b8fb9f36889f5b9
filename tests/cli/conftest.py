"""Recorders in place of what build, export and detect call, and the images and videos that detect is given."""

from __future__ import annotations

from pathlib import Path

import cv2
import pytest

from tests.conftest import DATASET, DEMO_ONNX
from tests.fakes.backends import NUMBERS, number_detector
from tests.fakes.commands import Recorder, replace_function
from tests.fakes.numbered import numbered_frame
from yolorknn.measure.gate_report import GateReport, Trial
from yolorknn.stream.sinks.video import VideoWriter
from yolorknn.toolkits.installed import Installed

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


@pytest.fixture
def detector(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Recorder:
    """Give the command a detector of numbers, whatever model it asks for."""
    return replace_function(
        monkeypatch, "yolorknn.predict.loaded_model.LoadedModel", number_detector(tmp_path, cores=2)
    )


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(4):
        cv2.imwrite(str(folder / f"{number}.png"), numbered_frame(number, NUMBERS.imgsz))
    return folder


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """A video of three frames."""
    with VideoWriter(tmp_path / "clip.mp4", fps=20, size=NUMBERS.imgsz) as writer:
        for _ in range(3):
            writer.write(numbered_frame(0, NUMBERS.imgsz))
    return tmp_path / "clip.mp4"


@pytest.fixture
def export(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    replace_function(monkeypatch, "yolorknn.toolkits.installed.choose", Installed("2.3.2", Path("packages")))
    return replace_function(monkeypatch, "yolorknn.convert.export.export.export", DEMO_ONNX)
