"""detect on a camera that goes and comes, as a user runs it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import DEMO_ONNX, needs_ort
from tests.fakes.clips import encoded
from tests.fakes.rtsp import RtspCamera
from tests.fakes.waiting import until

pytest.importorskip("av", reason="PyAV is not installed")


@pytest.mark.slow
@needs_ort
def test_detect_goes_on_when_a_camera_comes_back_and_ctrl_c_ends_it(tmp_path: Path) -> None:
    """Lost and back are said once each, and the password never."""
    out, err = tmp_path / "out.jsonl", tmp_path / "err.txt"
    with RtspCamera(encoded(), login=("me", "s3cret")) as camera, out.open("w") as lines, err.open("w") as words:
        (tmp_path / "cam.source").write_text(f"{camera.url}\n")
        options = ["--model", str(DEMO_ONNX), "--no-save", "--json", "-"]
        command = [sys.executable, "-m", "yolorknn", "detect", f"@{tmp_path}/cam.source", *options]
        process = subprocess.Popen(command, stdout=lines, stderr=words, cwd=tmp_path)

        def epochs() -> list[int]:
            return [json.loads(line)["epoch"] for line in out.read_text().splitlines(keepends=True) if line[-1] == "\n"]

        until(lambda: len(epochs()) > 3, by=process)
        camera.down("rst")
        until(lambda: "tried again" in err.read_text(), by=process)
        camera.up()
        until(lambda: 2 in epochs(), by=process)
        camera.stalled = True
        process.send_signal(signal.SIGINT)
        process.wait(30)
    assert process.returncode == 130
    said = err.read_text().splitlines()
    assert len([line for line in said if "it is tried again until it is back" in line]) == 1
    assert len([line for line in said if "gives frames again" in line]) == 1
    assert "interrupted after" in said[-1] or "interrupted after" in said[-2]
    assert "s3cret" not in err.read_text() + out.read_text()


@needs_ort
def test_a_camera_that_is_not_there_at_the_start_is_an_error(tmp_path: Path) -> None:
    """A mistyped address is not waited for."""
    with RtspCamera(encoded()) as camera:
        camera.down()
        command = [sys.executable, "-m", "yolorknn", "detect", camera.url, "--model", str(DEMO_ONNX)]
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False, timeout=60)
    assert done.returncode == 1 and "nothing listens there" in done.stderr
    assert not (tmp_path / "runs").exists()


@needs_ort
@pytest.mark.parametrize("serve", [False, True])
def test_no_more_frames_a_second_than_are_wanted(tmp_path: Path, serve: bool) -> None:
    """Of 25 that the camera gives, four."""
    out = tmp_path / "out.jsonl"
    words = ["--model", str(DEMO_ONNX), "--fps", "4", "--no-save", "--json", str(out)]
    with RtspCamera(encoded()) as camera:
        command = [sys.executable, "-m", "yolorknn", "detect", camera.url, *words]
        environment = {**os.environ, "XDG_STATE_HOME": str(tmp_path)}
        command += ["--serve", "0"] if serve else []
        with subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.DEVNULL) as process:
            until(lambda: out.exists() and out.read_bytes().count(b"\n") >= 9, by=process)
            process.send_signal(signal.SIGINT)
            assert process.wait(30) == 130
    times = [json.loads(line)["timestamp"] for line in out.read_text().splitlines()]
    assert 0.2 < (times[-1] - times[0]) / (len(times) - 1) < 0.4
