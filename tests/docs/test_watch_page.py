"""docs/watch.md: the file that it shows is good, and is watched as it says."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.docs.pages import blocks, commands
from tests.fakes.clips import encoded
from tests.fakes.rtsp import RtspCamera
from tests.fakes.waiting import until
from tests.site.conftest import Rig, ticking, write_model
from yolorknn.cli.watch import GAVE_UP, MISTAKES
from yolorknn.site.restarts import MOST

PAGE = ROOT / "docs/watch.md"
NAMES = ("person", "cat", "dog", "car", "bus")


def test_its_file_is_watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With every sink that it has; the broker and the USB camera are not there, which stops nothing."""
    pytest.importorskip("av")
    for package in ("paho.mqtt.client", "starlette", "uvicorn", "prometheus_client"):
        pytest.importorskip(package)
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))
    monkeypatch.setattr("yolorknn.site.keeper.LOOK", 0.1)
    (text,) = blocks(PAGE, "toml")
    (tmp_path / "new").mkdir()
    for model in (tmp_path / "v8n-rk3588-i8.rknn", tmp_path / "new/v8n-rk3588-i8.rknn"):
        write_model(model, names=NAMES, source=str(model.parent))
    (tmp_path / "mqtt.password").write_text("s3cret\n")
    rig = Rig(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    rig.write(text.replace("port = 8080", f"port = {port}"), model="")
    with RtspCamera(encoded(fps=50)) as camera:
        (tmp_path / "door.source").write_text(camera.url)
        with rig.keeper() as keeper:
            until(lambda: (tmp_path / "found.jsonl").exists() and list((tmp_path / "shots").glob("door-*.jpg")))
            (copied,) = [words for words in commands(PAGE) if words[0] == "cp"]
            subprocess.run(["sh", "-c", " ".join(copied)], cwd=tmp_path, check=True)
            ticking(keeper, lambda: rig.said("people goes on with"))
    assert list((tmp_path / "recordings").glob("door-*.mp4"))
    assert {json.loads(line)["camera"] for line in (tmp_path / "found.jsonl").read_text().splitlines()} == {"door"}
    assert "s3cret" not in "".join(event.text for event in rig.told)
    assert os.listdir(tmp_path / "state")


def test_its_numbers() -> None:
    text = PAGE.read_text()
    assert f"| {GAVE_UP} |" in text and f"| {MISTAKES} |" in text and MOST == 5 and "five restarts" in text
