"""detect --track on a video, with a real model and the real tracker; and the example."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.conftest import DEMO_ONNX, ROOT
from tests.fakes.encode import split_metadata
from tests.fakes.moving import video_frame, walk
from tests.fakes.moving_pictures import write_clip
from yolorknn.cli.app import app
from yolorknn.cli.tracks import Tracks

for package in ("trackers", "onnxruntime"):
    pytest.importorskip(package, reason=f"{package} is not installed")
pytestmark = pytest.mark.track


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    write_clip(path)
    return path


def test_detect_counts(clip: Path) -> None:
    words = ["detect", str(clip), "--model", str(DEMO_ONNX), "--conf", "0.5", "--track", "--line", "gate=0.5,0,0.5,1"]
    done = CliRunner().invoke(app, [*words, "--zone", "middle=0.35,0,0.65,0,0.65,1,0.35,1", "--no-save", "--json", "-"])
    assert done.exit_code == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    events = [event for line in lines for event in line.get("events", [])]
    lines_crossed = [event for event in events if event["type"] == "crossed"]
    crossed = {(event["name"], event["direction"]): event["timestamp"] for event in lines_crossed}
    assert crossed.keys() == {("ball", "in"), ("star", "out"), ("cone", "in")}
    assert all(moment == pytest.approx(3.0, abs=0.3) for moment in crossed.values())
    stays = {event["name"]: event["seconds"] for event in events if event["type"] == "left"}
    assert stays == {name: pytest.approx(96 / (380 / 6), abs=0.15) for name in ("ball", "star", "cone")}
    assert lines[-1]["lines"] == {"gate": {"in": {"ball": 1, "cone": 1}, "out": {"star": 1}}}
    assert max(len(line["zones"]["middle"]) for line in lines) == 3
    seen = [one for line in lines[15:45] for one in line["detections"] if one["name"] in stays]
    numbers = {(one["name"], one["tracker_id"]) for one in seen}
    assert numbers == {(event["name"], event["tracker_id"]) for event in lines_crossed}, "the same in every frame"
    assert "line gate: 2 (1 ball, 1 cone) in, 1 (1 star) out" in done.stderr
    assert "zone middle: 3 (1 ball, 1 cone, 1 star) entered" in done.stderr


def test_counts_of_a_camera_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))
    source: Any = SimpleNamespace(live=True, fps=10.0, name="door 1")
    for run in (1, 2):
        with Tracks(track=True, line=["gate=0.5,0,0.5,1"]).steps(source, split_metadata((32, 64), 5)) as steps:
            assert steps is not None
            for index, frame in enumerate(walk((0, 96, 200), (10, 736, 200))):
                steps.apply(video_frame(index, *frame))
        assert f"line gate: {run} ({run} n0) in, 0 out" in capsys.readouterr().err
    assert len([*tmp_path.glob("tracking-door-1+*.json")]) == 1


def test_the_example(clip: Path, tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "examples/count_across_line.py"), str(DEMO_ONNX), str(clip)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 5 and lines[-2:] == ["in 2", "out 1"]
    assert sorted(line.split("s: ")[1].split(" #")[0] for line in lines[:3]) == ["ball", "cone", "star"]


def test_images_do_not_follow_one_another(tmp_path: Path) -> None:
    source = str(ROOT / "dataset/images")
    done = CliRunner().invoke(
        app, ["detect", source, "--model", str(DEMO_ONNX), "--track", "--json", str(tmp_path / "a")]
    )
    assert done.exit_code == 1 and "separate images do not follow one another" in str(done.exception)
