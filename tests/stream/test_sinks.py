"""Where results go: what each kind of sink leaves behind, also after an error, an interrupt, or a full disk."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import cv2
import numpy as np
import pytest

from yolorknn import Detections, Result, Timings, draw
from yolorknn.errors import OutputError
from yolorknn.image import read_image
from yolorknn.stream.sinks.json_lines import JsonLines
from yolorknn.stream.sinks.pictures import Pictures
from yolorknn.stream.sinks.sink import Sink
from yolorknn.stream.sinks.video import Video, VideoWriter
from yolorknn.stream.sources.open_source import open_source
from yolorknn.tasks.task import Wording

NAMES = {0: "person", 1: "traffic light", 2: "日本"}
FOUND = Detections(np.array([[1, 2, 30, 40]], np.float32), np.array([0.9]), np.array([2]))


def result(source: str, *, index: int = 7, grey: int = 0, found: Detections = FOUND, timestamp: float = 1.25) -> Result:
    image = np.full((60, 80, 3), grey, np.uint8)
    return Result(image, index, timestamp, found, Timings(0, 0, 0, 0, 0, 0), source)


def read_all(path: Path) -> list[np.ndarray]:
    source = open_source(path)
    images = []
    while (frame := source.read()) is not None:
        images.append(frame.image)
    source.close()
    return images


LINE = {
    "version": 1,
    "source": "a.mp4",
    "frame": 7,
    "timestamp": 1.25,
    "clock": "unix",
    "width": 80,
    "height": 60,
    "detections": [{"class_id": 2, "name": "日本", "confidence": 0.9, "xyxy": [1.0, 2.0, 30.0, 40.0]}],
}


def test_json_lines(tmp_path: Path) -> None:
    path = tmp_path / "new" / "d.jsonl"
    with closing(JsonLines(path, Wording(NAMES))) as lines:
        lines.write(result("a.mp4"))
        assert path.read_text().endswith("\n"), "readable while the run goes on"
        lines.write(result("a.mp4"))
    (first, second) = map(json.loads, path.read_text().splitlines())
    assert first == second == LINE


def test_each_line_is_written_at_once(tmp_path: Path) -> None:
    """So that one that a kill cuts off is never followed by another, however long it is."""
    many = Detections(np.tile(FOUND.xyxy, (2000, 1)), np.full(2000, 0.9), np.full(2000, 2))
    with closing(JsonLines(tmp_path / "d.jsonl", Wording(NAMES))) as lines:
        reader = (tmp_path / "d.jsonl").open("rb")
        for _ in range(3):
            lines.write(result("a.mp4", found=many))
            assert len(json.loads(reader.readline())["detections"]) == 2000
            assert not reader.read(1)
        reader.close()


def test_json_lines_on_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        with closing(JsonLines("-", Wording(NAMES))) as lines:
            lines.write(result("a.mp4"))
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == [LINE] * 2, "it stays open"


def test_json_lines_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"cannot write .*file/d\.jsonl"):
        JsonLines(tmp_path / "file" / "d.jsonl", Wording(NAMES))
    full = JsonLines("/dev/full", Wording(NAMES))
    with pytest.raises(OutputError, match="cannot write /dev/full: No space left"):
        full.write(result("a.mp4"))
    full.close()


def test_pictures_have_the_names_of_their_files(tmp_path: Path) -> None:
    with closing(Pictures(tmp_path / "out", NAMES)) as pictures:
        pictures.write(result("in/sp ace é.png", grey=10))
        pictures.write(result("elsewhere/b.PNG", grey=200))
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"sp ace é.png", "b.PNG"}
    for name, grey in (("sp ace é.png", 10), ("b.PNG", 200)):
        drawn = draw(np.full((60, 80, 3), grey, np.uint8), FOUND, NAMES)
        assert np.array_equal(read_image(tmp_path / "out" / name), drawn)


def test_pictures_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"cannot write .*file/a\.png"):
        Pictures(tmp_path / "file", NAMES).write(result("a.png"))


@pytest.fixture(params=["PyAV", "OpenCV"])
def encoder(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """What encodes; returns the suffix that the video then has."""
    if request.param == "PyAV":
        pytest.importorskip("av")
        return ".mp4"
    monkeypatch.setitem(sys.modules, "av", None)
    return ".mkv"


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


def test_a_video_of_results(tmp_path: Path, encoder: str) -> None:
    """It is begun with the first, and a source that changes its size goes on in the first one's."""
    path, told = tmp_path / "clip.mp4", list[str]()
    with closing(Video(path, fps=25, names=NAMES, told=told.append)) as video:
        assert list(tmp_path.iterdir()) == []
        for number in range(12):
            video.write(result("clip", grey=number * 20, timestamp=5 + number / 25))
        video.write(Result(np.zeros((30, 30, 3), np.uint8), 12, 6.0, FOUND, Timings(0, 0, 0, 0, 0, 0), "clip"))
    assert [entry.name for entry in tmp_path.iterdir()] == [f"clip{encoder}"]
    assert [sentence.startswith("the video is MPEG-4 in .mkv, which no") for sentence in told] == [True] * (
        encoder == ".mkv"
    )
    images = read_all(path.with_suffix(encoder))
    assert {image.shape for image in images} == {(60, 80, 3)} and len(images) == (13 if encoder == ".mp4" else 26)
    drawn = [draw(np.full((60, 80, 3), number * 20, np.uint8), FOUND, NAMES) for number in range(12)]
    assert [image.mean() for image in images[:12]] == pytest.approx([image.mean() for image in drawn], abs=4)


def test_a_video_without_results_is_none(tmp_path: Path) -> None:
    Video(tmp_path / "clip.mp4", fps=25, names=NAMES).close()
    assert list(tmp_path.iterdir()) == []


def test_a_video_is_h264_in_mp4(tmp_path: Path) -> None:
    av = pytest.importorskip("av")
    with VideoWriter(tmp_path / "v.mp4", fps=25, size=(48, 64)) as writer:
        writer.write(np.zeros((48, 64, 3), np.uint8))
    with av.open(str(tmp_path / "v.mp4")) as container:
        (stream,) = container.streams
        assert (stream.codec_context.name, stream.pix_fmt) == ("h264", "yuv420p")
        assert "mp4" in container.format.name


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


def test_they_are_sinks(tmp_path: Path) -> None:
    """For the type checker, which says so where one has another method or another type."""
    sinks: list[Sink] = [
        JsonLines(tmp_path / "d.jsonl", Wording(NAMES)),
        Pictures(tmp_path, NAMES),
        Video(tmp_path / "v.mp4", fps=25, names=NAMES),
    ]
    for sink in sinks:
        sink.close()
