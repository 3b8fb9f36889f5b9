"""Videos that are written frame by frame: their kind and times, and what an interrupt, a kill or an error leaves."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.fakes.recorded import read_all
from yolorknn.errors import OutputError, SourceError
from yolorknn.stream.sinks.encoders import RECORDED
from yolorknn.stream.sinks.video import VideoWriter
from yolorknn.stream.sources.capture import count_frames, open_stream
from yolorknn.stream.sources.open_source import open_source


def shown(path: Path) -> list[tuple[float, np.ndarray]]:
    """Return when each frame is shown, and the frame."""
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    frames: list[tuple[float, np.ndarray]] = []
    while True:
        ok, image = capture.read()
        if not ok:
            capture.release()
            return frames
        frames.append((capture.get(cv2.CAP_PROP_POS_MSEC) / 1000, np.asarray(image)))


def test_a_video_is_h264_in_mp4(tmp_path: Path) -> None:
    av = pytest.importorskip("av")
    with VideoWriter(tmp_path / "v.mp4", fps=25, size=(48, 64)) as writer:
        writer.write(np.zeros((48, 64, 3), np.uint8))
    with av.open(str(tmp_path / "v.mp4")) as container:
        (stream,) = container.streams
        assert (stream.codec_context.name, stream.pix_fmt) == ("h264", "yuv420p")
        assert "mp4" in container.format.name


def test_a_video_whose_name_is_no_text(tmp_path: Path, encoder: str) -> None:
    """OpenCV ends the process for such a name: read it is all the same, written with PyAV alone."""
    with VideoWriter(tmp_path / "v.mp4", fps=25, size=(48, 64)) as writer:
        for _ in range(3):
            writer.write(np.zeros((48, 64, 3), np.uint8))
    path = writer.path.rename(os.fsdecode(bytes(tmp_path) + b"/caf\xe9" + writer.path.suffix.encode()))
    assert len(read_all(path)) == count_frames(path) == 3
    if encoder == ".mkv":
        with pytest.raises(OutputError, match=r"whose name is no UTF-8, as .*caf\\udce9"):
            VideoWriter(path, fps=25, size=(48, 64))
    with pytest.raises(SourceError, match="bytes that are no UTF-8"):
        open_stream(f"rtsp://127.0.0.1:9/{path.name}")


@pytest.mark.parametrize("times", [[0, 0.1, 1.5, 1.52, 4.0], [1e9 + 0.04 * n for n in range(5)]])
def test_a_video_plays_as_fast_as_its_source_went(tmp_path: Path, encoder: str, times: list[float]) -> None:
    """To the frame where the container says each one's time, else to one period."""
    with VideoWriter(tmp_path / "v.mp4", fps=25, size=(48, 64)) as writer:
        for number, seconds in enumerate(times):
            writer.write(np.full((48, 64, 3), 50 * number, np.uint8), seconds)
    begun: dict[int, float] = {}
    for seconds, image in shown(writer.path):
        begun.setdefault(round(float(image.mean()) / 50), seconds)
    late = 0.001 if encoder == ".mp4" else 0.041
    assert list(begun.values()) == pytest.approx([seconds - times[0] for seconds in times], abs=late)


@pytest.mark.parametrize("step", [-3600.0, 0.0, 50 * 365 * 86400.0])
def test_a_clock_that_is_set_does_not_stop_the_video(tmp_path: Path, encoder: str, step: float) -> None:
    with VideoWriter(tmp_path / "v.mp4", fps=10, size=(48, 64)) as writer:
        for number in range(6):
            writer.write(np.full((48, 64, 3), 40 * number, np.uint8), number / 10 + (step if number > 2 else 0))
    frames = shown(writer.path)
    assert [seconds for seconds, _ in frames] == pytest.approx([number / 10 for number in range(6)], abs=0.001)
    assert [image.mean() for _, image in frames] == pytest.approx([40 * number for number in range(6)], abs=4)


def test_odd_sides_keep_their_last_row_and_column(tmp_path: Path, encoder: str) -> None:
    image = np.zeros((49, 65, 3), np.uint8)
    image[-1], image[:, -1] = 255, 255
    with VideoWriter(tmp_path / "v.mp4", fps=25, size=(49, 65)) as writer:
        for _ in range(3):
            writer.write(image)
    for made in read_all(writer.path):
        assert made.shape == (50, 66, 3)
        assert made[-1].min() > 200 and made[:, -1].min() > 200 and made[:40, :60].max() < 60


@pytest.mark.parametrize("height", [90, 92])
def test_every_row_is_recorded(tmp_path: Path, height: int) -> None:
    """Also where PyAV, lent an array whose height is no multiple of four, leaves rows out."""
    pytest.importorskip("av")
    frame = np.full((height, 120, 3), np.linspace(30, 220, height, dtype=np.uint8)[:, None, None], np.uint8)
    with VideoWriter(tmp_path / "v.mp4", fps=10, size=(height, 120), encoding=RECORDED) as writer:
        writer.write(frame)
    (shown,) = read_all(writer.path)
    assert cv2.absdiff(shown, frame).max() <= 6


def test_a_written_video_is_read_back(tmp_path: Path, encoder: str) -> None:
    with VideoWriter(tmp_path / "100% né.mp4", fps=25, size=(48, 64)) as writer:
        for number in range(20):
            writer.write(np.full((48, 64, 3), number * 10, np.uint8))
        writer.write(np.zeros((100, 100, 3), np.uint8))
    assert [entry.name for entry in tmp_path.iterdir()] == [f"100% né{encoder}"]
    source = open_source(writer.path)
    assert source.count == 21 and source.fps == pytest.approx(25) and source.name == "100% né"
    timestamps = [frame.timestamp for _ in range(21) if (frame := source.read())]
    assert timestamps == pytest.approx([number / 25 for number in range(21)], abs=0.001)
    assert [image.mean() for image in read_all(writer.path)][:20] == pytest.approx([n * 10 for n in range(20)], abs=4)


def test_an_interrupted_video_is_finished(tmp_path: Path, encoder: str) -> None:
    with pytest.raises(KeyboardInterrupt), VideoWriter(tmp_path / "v.mp4", fps=25, size=(48, 64)) as writer:
        for _ in range(10):
            writer.write(np.zeros((48, 64, 3), np.uint8))
        raise KeyboardInterrupt
    assert len(read_all(tmp_path / f"v{encoder}")) == 10


KILLED = """
import itertools, sys
import numpy as np
from pathlib import Path
if sys.argv[2] == ".mkv": sys.modules["av"] = None
from yolorknn.stream.sinks.video import VideoWriter
writer = VideoWriter(Path(sys.argv[1]), fps=25, size=(240, 320))
noise = np.random.default_rng(0).integers(0, 200, (240, 320, 3)).astype(np.uint8)
for number in itertools.count():
    writer.write(np.roll(noise, number, 1), number / 25)
    print(number, flush=True)
"""


def test_a_killed_process_leaves_a_video_that_plays(tmp_path: Path, encoder: str) -> None:
    words = [sys.executable, "-c", KILLED, str(tmp_path / "v.mp4"), encoder]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    for line in process.stdout:
        if int(line) == 200:
            break
    process.kill()
    process.communicate(timeout=10)
    assert len(read_all(tmp_path / f"v{encoder}")) > 200 - 4 * 25, "all but the last parts"


def test_ctrl_c_while_a_frame_is_encoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python raises it when OpenCV has written the frame, which is in the video, so that nothing is missing."""
    monkeypatch.setitem(sys.modules, "av", None)

    class Interrupted:
        def __init__(self, writer: cv2.VideoWriter) -> None:
            self.release, self._writer, self.raised = writer.release, writer, False

        def write(self, image: np.ndarray) -> None:
            self._writer.write(image)
            if not self.raised:
                self.raised = True
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), VideoWriter(tmp_path / "v.mp4", fps=25, size=(48, 64)) as writer:
        writer.write(np.zeros((48, 64, 3), np.uint8))
        writer.write(np.zeros((48, 64, 3), np.uint8))
        vars(writer._encoder)["_writer"] = Interrupted(vars(writer._encoder)["_writer"])
        writer.write(np.zeros((48, 64, 3), np.uint8))
    assert len(read_all(tmp_path / "v.mkv")) == 3


def test_a_video_without_frames_or_folder_is_an_error(tmp_path: Path, encoder: str) -> None:
    with pytest.raises(OutputError, match="cannot finish"), VideoWriter(tmp_path / "v.mp4", fps=25, size=(48, 64)):
        pass
    with pytest.raises(OutputError, match="cannot write"):
        VideoWriter(Path("/proc/v.mp4"), fps=25, size=(48, 64))
    assert list(tmp_path.iterdir()) == []


def test_a_link_in_a_videos_place_is_not_followed(tmp_path: Path, encoder: str) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine")
    (tmp_path / f"v{encoder}").symlink_to(victim)
    with VideoWriter(tmp_path / "v.mp4", fps=25, size=(48, 64)) as writer:
        writer.write(np.zeros((48, 64, 3), np.uint8))
    assert victim.read_text() == "mine" and len(read_all(writer.path)) == 1
