"""A server that is not ours: GStreamer's, as many cameras' and relays' is."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from yolorknn.stream.sources.pyav import PyAvStream
from yolorknn.stream.sources.source import LostError

pytest.importorskip("av", reason="PyAV is not installed")
CAMERA = Path(__file__).parents[1] / "fakes/gst_camera.py"
PYTHON = "/usr/bin/python3"
NEEDS = "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import GstRtspServer, Gst; "
NEEDS += "Gst.init(None); assert Gst.ElementFactory.find('x264enc') and Gst.ElementFactory.find('rtph264pay')"


@pytest.fixture
def server() -> Iterator[subprocess.Popen[str]]:
    there = (
        Path(PYTHON).exists()
        and subprocess.run([PYTHON, "-c", NEEDS], capture_output=True, check=False).returncode == 0
    )
    if not there:
        pytest.skip("no GStreamer RTSP server; scripts/live-rig.sh installs it")
    process = subprocess.Popen(
        [PYTHON, str(CAMERA)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={},
    )
    yield process
    process.kill()
    process.wait()
    assert process.stdin is not None and process.stdout is not None
    process.stdin.close()
    process.stdout.close()


@pytest.mark.slow
def test_its_frames_come_and_its_end_is_a_loss(server: subprocess.Popen[str]) -> None:
    assert server.stdout is not None
    stream = PyAvStream(server.stdout.readline().strip(), opening=20)
    frames = [stream.read() for _ in range(20)]
    assert all(frame is not None and frame.image.shape == (240, 320, 3) for frame in frames)
    assert not stream.unfit["corrupt"]
    server.kill()
    with pytest.raises(LostError):
        while True:
            stream.read()
    stream.close()
