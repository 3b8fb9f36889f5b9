from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.fakes.commands import BAR, Recorder, misused, refused, replace_function, run
from yolorknn.convert.tables.profile import Operator, Profile
from yolorknn.errors import ModelError
from yolorknn.measure.bench_report import BenchReport, Run
from yolorknn.model.anchor_sizes import PUBLISHED
from yolorknn.stream.tiled import Tiling

SPENT = {"p50": 1.0, "p90": 2.0, "p99": 3.0}
BEST = Run(3, 6, 100, 50.0, 0, 0.9, SPENT, {"infer": SPENT}, "NPU")
REPORT = BenchReport("m.onnx", "simulated, 20 ms", "8 pictures", (BEST,), BEST, 0.5, 120.0)


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    return replace_function(monkeypatch, "yolorknn.measure.bench.bench", REPORT)


@pytest.fixture
def draw(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    return replace_function(monkeypatch, "yolorknn.measure.bench_report.draw", None)


@pytest.fixture
def measure(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    profile = Profile("m.rknn", "1808", 12.5, (Operator("Conv", 57, 0.0, 0.0, 11.0),), {"weight": 3.5, "total": 5.7})
    return replace_function(monkeypatch, "yolorknn.convert.device.measure", profile)


def test_what_it_passes_on(bench: Recorder, draw: Recorder, measure: Recorder) -> None:
    done = run("bench", "m.onnx")
    assert bench.call == {
        "model": Path("m.onnx"),
        "source": None,
        "seconds": 2.0,
        "npu_ms": None,
        "cores": 3,
        "fps": None,
        "runtime": None,
        "contexts": 2,
        "tiling": None,
        "anchors": None,
        "progress": BAR,
    }
    assert done.stdout == f"{REPORT.table()}\n" and done.stderr == ""
    assert draw.calls == [] == measure.calls


def test_a_password_that_others_see(bench: Recorder) -> None:
    said = run("bench", "m.onnx", "--source", "rtsp://me:s3cret@host/live").stderr
    assert said.startswith("ps shows the password in --source to everybody") and "s3cret" not in said


def test_every_option(bench: Recorder, draw: Recorder, tmp_path: Path) -> None:
    words = ["--source", "clip.mp4", "--seconds", 0.5, "--npu-ms", 20, "--cores", 2, "--fps", 25, "--json"]
    words += ["--runtime", "c", "--contexts", 4, "--tile", 640, "--anchors", "yolov5"]
    done = run("bench", "m.rknn", *words, "--plot", tmp_path / "b.svg")
    assert bench.call == {
        "model": Path("m.rknn"),
        "source": "clip.mp4",
        "seconds": 0.5,
        "npu_ms": 20.0,
        "cores": 2,
        "fps": 25.0,
        "runtime": "c",
        "contexts": 4,
        "tiling": Tiling(),
        "anchors": PUBLISHED["yolov5"],
        "progress": BAR,
    }
    assert draw.call == {"report": REPORT, "path": tmp_path / "b.svg"}
    assert json.loads(done.stdout) == json.loads(json.dumps(REPORT.to_json())) and done.stderr == ""


@pytest.mark.parametrize(
    ("options", "board"), [(("--device",), None), (("--device-id", "x:5555"), "x:5555"), (("--device", "--json"), None)]
)
def test_a_board_attached(bench: Recorder, measure: Recorder, options: tuple[str, ...], board: str | None) -> None:
    done = run("bench", "m.rknn", *options)
    assert measure.call == {"path": Path("m.rknn"), "device_id": board, "toolkit": None, "progress": BAR}
    assert bench.calls == []
    profile = measure.answer
    if "--json" in options:
        assert json.loads(done.stdout) == json.loads(json.dumps(profile.to_json()))
    else:
        assert done.stdout == f"{profile.table()}\n"


@pytest.mark.parametrize(
    "option",
    [("--source", "x"), ("--npu-ms", 3), ("--fps", 3), ("--tile", 640), ("--anchors", "yolov5"), ("--plot", "b.svg")],
)
def test_what_does_not_go_with_a_board(measure: Recorder, option: tuple[object, ...]) -> None:
    said = misused("bench", "m.rknn", "--device", *option)
    assert (
        said == "Invalid value for --device: --source, --npu-ms, --fps, --tile, --anchors and --plot do not go with it"
    )
    assert measure.calls == []


def test_what_fails_or_is_mistyped(bench: Recorder, tmp_path: Path) -> None:
    assert misused("bench").startswith("Missing argument")
    for option in ("--seconds", "--npu-ms", "--cores", "--fps"):
        assert misused("bench", "m.onnx", option, 0).startswith(f"Invalid value for '{option}'")
    assert refused("bench", "m.onnx", "--plot", "b.gif") == "cannot draw b.gif: its suffix must be .png, .svg or .pdf"
    (tmp_path / "file").touch()
    assert refused("bench", "m.onnx", "--plot", tmp_path / "file/b.png").startswith(f"cannot write {tmp_path / 'file'}")
    assert bench.calls == []
    bench.answer = ModelError("there is no model file m.onnx")
    assert refused("bench", "m.onnx") == "there is no model file m.onnx"
