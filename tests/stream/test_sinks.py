"""Where results go: what each kind of sink leaves behind, also after an error, an interrupt, or a full disk."""

from __future__ import annotations

import json
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


def result(source: str, *, index: int = 7, grey: int = 0, found: Detections = FOUND) -> Result:
    image = np.full((60, 80, 3), grey, np.uint8)
    return Result(image, index, 1.25, found, Timings(0, 0, 0, 0, 0, 0), source)


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
    with pytest.raises(OutputError, match="cannot write /dev/full"):
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


def test_a_video_of_results(tmp_path: Path) -> None:
    """It is begun with the first, and a source that changes its size goes on in the first one's."""
    path = tmp_path / "clip.mp4"
    with closing(Video(path, fps=25, names=NAMES)) as video:
        assert list(tmp_path.iterdir()) == []
        for number in range(12):
            video.write(result("clip", grey=number * 20))
        video.write(Result(np.zeros((30, 30, 3), np.uint8), 12, 0.0, FOUND, Timings(0, 0, 0, 0, 0, 0), "clip"))
        assert not path.exists(), "under a temporary name until it is whole"
    assert [entry.name for entry in tmp_path.iterdir()] == ["clip.mp4"]
    images = read_all(path)
    assert [image.shape for image in images] == [(60, 80, 3)] * 13
    drawn = [draw(np.full((60, 80, 3), number * 20, np.uint8), FOUND, NAMES) for number in range(12)]
    assert [image.mean() for image in images[:12]] == pytest.approx([image.mean() for image in drawn], abs=4)


def test_a_video_without_results_is_none(tmp_path: Path) -> None:
    Video(tmp_path / "clip.mp4", fps=25, names=NAMES).close()
    assert list(tmp_path.iterdir()) == []


def test_a_written_video_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "100% né.mp4"
    with VideoWriter(path, fps=25, size=(48, 64)) as writer:
        for number in range(20):
            writer.write(np.full((48, 64, 3), number * 10, np.uint8))
        writer.write(np.zeros((100, 100, 3), np.uint8))
        assert not path.exists(), "under a temporary name until it is whole"
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]
    source = open_source(path)
    assert source.count == 21 and source.fps == pytest.approx(25) and source.name == "100% né"
    timestamps = [frame.timestamp for _ in range(21) if (frame := source.read())]
    assert timestamps == pytest.approx([number / 25 for number in range(21)])
    assert [image.mean() for image in read_all(path)][:20] == pytest.approx([n * 10 for n in range(20)], abs=4)


def test_an_interrupted_video_is_finished(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), VideoWriter(tmp_path / "v.mp4", fps=25, size=(48, 64)) as writer:
        for _ in range(10):
            writer.write(np.zeros((48, 64, 3), np.uint8))
        raise KeyboardInterrupt
    assert len(read_all(tmp_path / "v.mp4")) == 10


def test_ctrl_c_while_a_frame_is_encoded(tmp_path: Path) -> None:
    """Python raises it when OpenCV has written the frame, which is in the video, so that nothing is missing."""

    class Interrupted:
        def __init__(self, writer: cv2.VideoWriter) -> None:
            self.release, self._writer = writer.release, writer

        def write(self, image: np.ndarray) -> None:
            self._writer.write(image)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), VideoWriter(tmp_path / "v.mp4", fps=25, size=(48, 64)) as writer:
        writer.write(np.zeros((48, 64, 3), np.uint8))
        vars(writer)["_writer"] = Interrupted(writer._writer)
        writer.write(np.zeros((48, 64, 3), np.uint8))
    assert len(read_all(tmp_path / "v.mp4")) == 2


def test_a_video_without_frames_or_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot finish"), VideoWriter(tmp_path / "v.mp4", fps=25, size=(48, 64)):
        pass
    with pytest.raises(OutputError, match="cannot write"):
        VideoWriter(Path("/proc/v.mp4"), fps=25, size=(48, 64))
    assert list(tmp_path.iterdir()) == []


def test_they_are_sinks(tmp_path: Path) -> None:
    """For the type checker, which says so where one has another method or another type."""
    sinks: list[Sink] = [
        JsonLines(tmp_path / "d.jsonl", Wording(NAMES)),
        Pictures(tmp_path, NAMES),
        Video(tmp_path / "v.mp4", fps=25, names=NAMES),
    ]
    for sink in sinks:
        sink.close()
