"""Where results go: what each kind of sink leaves behind, also where it cannot be written."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from tests.fakes.recorded import read_all
from yolorknn import Detections, Result, Timings, draw
from yolorknn.errors import OutputError
from yolorknn.image import read_image
from yolorknn.stream.sinks.json_lines import JsonLines
from yolorknn.stream.sinks.pictures import Pictures
from yolorknn.stream.sinks.sink import Sink
from yolorknn.stream.sinks.video import Video
from yolorknn.tasks.task import Wording

NAMES = {0: "person", 1: "traffic light", 2: "日本"}
FOUND = Detections(np.array([[1, 2, 30, 40]], np.float32), np.array([0.9]), np.array([2]))


def result(source: str, *, index: int = 7, grey: int = 0, found: Detections = FOUND, timestamp: float = 1.25) -> Result:
    image = np.full((60, 80, 3), grey, np.uint8)
    return Result(image, index, timestamp, found, Timings(0, 0, 0, 0, 0, 0), source)


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


def test_pictures_of_kinds_that_are_only_read(tmp_path: Path) -> None:
    with closing(Pictures(tmp_path, NAMES)) as pictures:
        for name in ("in/a.mpo", "in/a.JP2", "in/a.jpg"):
            pictures.write(result(name))
    assert {path.name for path in tmp_path.iterdir()} == {"a.mpo.jpg", "a.JP2.jpg", "a.jpg"}
    assert read_image(tmp_path / "a.mpo.jpg").shape == (60, 80, 3)


def test_pictures_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"cannot write .*file/a\.png"):
        Pictures(tmp_path / "file", NAMES).write(result("a.png"))


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


def test_they_are_sinks(tmp_path: Path) -> None:
    """For the type checker, which says so where one has another method or another type."""
    sinks: list[Sink] = [
        JsonLines(tmp_path / "d.jsonl", Wording(NAMES)),
        Pictures(tmp_path, NAMES),
        Video(tmp_path / "v.mp4", fps=25, names=NAMES),
    ]
    for sink in sinks:
        sink.close()
