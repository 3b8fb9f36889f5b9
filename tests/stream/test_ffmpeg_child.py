"""A chip's decoder in a process of its own: what it is given, what it says, and that it may stop."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from tests.fakes.clips import encoded
from tests.fakes.decoding_chip import camera, ffmpeg, nothing_known, numbers
from tests.fakes.rtsp import RtspCamera
from tests.fakes.waiting import until
from yolorknn.stream.sources import ffmpeg_child, hardware
from yolorknn.stream.sources.decoders import Decoder, Picture
from yolorknn.stream.sources.ffmpeg_child import FfmpegChild
from yolorknn.stream.sources.hardware import Trial
from yolorknn.stream.sources.pyav import PyAvStream

pytest.importorskip("av", reason="PyAV is not installed")
pytestmark = pytest.mark.slow
__all__ = ["camera", "ffmpeg", "nothing_known"]


def test_a_child_that_is_stopped_does_not_hold_up_the_camera(
    camera: RtspCamera, ffmpeg: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a driver that hangs in the kernel does: the stream is lost, and opened again."""
    monkeypatch.setattr(ffmpeg_child, "STUCK", 0.5)
    stream = PyAvStream(camera.url, patience=0.5)
    trial: Any = stream._decoder
    while not trial._alone:
        numbers(stream, 1)
    child = trial._chip._process
    os.kill(child.pid, signal.SIGSTOP)
    with pytest.raises(Exception, match=r"stopped giving frames|takes no packets"):
        while True:
            stream.read()
    stream.close()
    assert child.poll() is not None


def test_what_it_complains_of_does_not_fill_the_disk(
    camera: RtspCamera, ffmpeg: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ffmpeg_child, "MOST_SAID", 20_000)
    ffmpeg.with_name("does").write_text("loud")
    stream = PyAvStream(camera.url, patience=2)
    trial: Any = stream._decoder
    sizes = []
    for _ in range(150):
        numbers(stream, 1)
        sizes.append(os.fstat(trial._chip._errors.fileno()).st_size)
    stream.close()
    assert max(sizes) > 20_000, "it complains"
    assert max(sizes) < 80_000, "until the next picture that stands alone"


def test_one_that_grows_is_begun_anew_where_no_picture_is_lost(
    camera: RtspCamera, ffmpeg: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its memory ends with it, at a picture that stands alone; the connection stays."""
    stream = PyAvStream(camera.url, patience=2)
    trial: Any = stream._decoder
    while not trial._alone:
        numbers(stream, 1)
    first = trial._chip._process
    monkeypatch.setattr(ffmpeg_child, "LARGEST_MB", 1.0)
    until(lambda: numbers(stream, 1) and trial._chip._process is not first)
    monkeypatch.undo()
    assert first.poll() is not None and not hardware._failures
    assert len(numbers(stream, 20)) == 20 and trial._alone and camera.opened == 1
    stream.close()


def test_above_a_thousand_open_files(camera: RtspCamera, ffmpeg: Path, many_files: None) -> None:
    stream = PyAvStream(camera.url, patience=2)
    trial: Any = stream._decoder
    assert isinstance(trial, Trial)
    while not trial._alone:
        numbers(stream, 1)
    assert trial._chip._out > 1023  # type: ignore[union-attr]
    numbers(stream, 20)
    stream.close()


def test_another_size_begins_another_child(camera: RtspCamera, ffmpeg: Path) -> None:
    stream = PyAvStream(camera.url, patience=2)
    numbers(stream, 10)
    camera.clip = encoded((192, 256), fps=50)
    until(lambda: stream.read().image.shape == (192, 256, 3))  # type: ignore[union-attr]
    numbers(stream, 20)
    stream.close()


def test_no_address_is_in_its_words(camera: RtspCamera, ffmpeg: Path) -> None:
    stream = PyAvStream(camera.url.replace("//", "//me:s3cret@"), patience=2)
    trial: Any = stream._decoder
    numbers(stream, 2)
    words = Path(f"/proc/{trial._chip._process.pid}/cmdline").read_bytes()
    assert b"rtsp" not in words and b"s3cret" not in words and b"h264_rkmpp" in words
    stream.close()


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="no ffmpeg; scripts/live-rig.sh installs one")
def test_a_real_ffmpeg_takes_the_packets_and_gives_each_picture_at_once(camera: RtspCamera) -> None:
    """Debian's, with its decoder on the CPU: its words, its pipes, and that it holds none back."""
    program = shutil.which("ffmpeg")
    assert program is not None
    version = subprocess.run([program, "-version"], capture_output=True, text=True, check=True).stdout
    assert "ffmpeg version" in version
    made: list[FfmpegChild] = []

    def opened(stream: Any) -> Decoder:
        made.append(FfmpegChild(stream, program, "h264"))
        return made[0]

    stream = PyAvStream(camera.url, patience=5, decoder=opened)
    got = numbers(stream, 60)
    assert len(made[0]._times) <= 2, "none is held back"
    steps = {(after - before) % 50 for before, after in itertools.pairwise(got)}
    assert steps == {1}
    stream.close()


def test_odd_sides() -> None:
    """Planes of a picture with an odd height and width."""
    even = np.full((6, 8, 3), (200, 100, 50), np.uint8)
    planes = cv2.cvtColor(even, cv2.COLOR_BGR2YUV_I420)
    luma, blue, red = planes[:6, :8], planes[6:].ravel()[:12], planes[6:].ravel()[12:]
    data = luma[:5, :7].tobytes() + blue.tobytes() + red.tobytes()
    image = ffmpeg_child._image_of(data, 5, 7)()
    assert image.shape == (5, 7, 3) and np.abs(image.astype(int) - (200, 100, 50)).max() < 6
    assert isinstance(Picture(lambda: image, None, True, False).image(), np.ndarray)
