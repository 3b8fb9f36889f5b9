"""`yolorknn watch` killed at any moment, and begun again in the same folder: nothing of what it wrote is broken."""

from __future__ import annotations

import functools
import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import DEMO_ONNX, needs_ort
from tests.fakes.clips import encoded
from tests.fakes.rtsp import RtspCamera
from tests.fakes.waiting import until

SITE = """
[models.demo]
file = "m.onnx"
[cameras.door]
source = "{url}"
[sinks]
json = "found.jsonl"
csv = "found.csv"
record = "rec"
"""


def begun(folder: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "yolorknn", "watch", str(folder / "site.toml")]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def check(folder: Path) -> None:
    """Every line with an end is whole, and every closed segment plays."""
    av: Any = pytest.importorskip("av")
    lines = (folder / "found.jsonl").read_bytes().splitlines(keepends=True)
    assert all(json.loads(line)["camera"] == "door" for line in lines if line.endswith(b"\n"))
    rows = (folder / "found.csv").read_bytes().splitlines(keepends=True)
    assert len({row.count(b",") for row in rows if row.endswith(b"\n")}) <= 1
    for segment in (folder / "rec").glob("door-*Z.mp4"):
        with av.open(str(segment)) as opened:
            assert sum(1 for _ in opened.decode(video=0)) > 0, segment


def size(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0


def grown(file: Path, before: int) -> bool:
    return size(file) > before


def kills(folder: Path, count: int) -> None:
    chosen = random.Random(count)
    (folder / "m.onnx").write_bytes(DEMO_ONNX.read_bytes())
    with RtspCamera(encoded(fps=25)) as camera:
        (folder / "site.toml").write_text(SITE.format(url=camera.url))
        for _ in range(count):
            before = size(folder / "found.jsonl")
            process = begun(folder)
            until(functools.partial(grown, folder / "found.jsonl", before), by=process)
            time.sleep(chosen.random() * 3)
            process.kill()
            process.wait()
            check(folder)
        process = begun(folder)
        seen = camera.sent
        until(lambda: camera.sent > seen + 50, by=process)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 130
    check(folder)
    assert not list((folder / "rec").glob("*.part.*"))
    assert (folder / "found.jsonl").read_bytes().endswith(b"\n")


@pytest.mark.slow
@needs_ort
def test_it_is_killed_twice(tmp_path: Path) -> None:
    kills(tmp_path, 2)


@pytest.mark.exhaustive
@needs_ort
def test_it_is_killed_a_hundred_times(tmp_path: Path) -> None:
    kills(tmp_path, 100)
