"""The loop of a run: every result to every sink, what is skipped and what ends it, and what is counted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from tests.fakes.backends import NUMBERS
from tests.fakes.numbered import numbered_frame, numbered_frames
from tests.fakes.waiting import until
from yolorknn import Detector, Result
from yolorknn.errors import CoreHungError, InferenceError, OutputError, SourceError
from yolorknn.stream.run import Summary, run
from yolorknn.stream.run_folder import run_folder
from yolorknn.stream.sources.source import Frame
from yolorknn.stream.stream import Stream

Make = Callable[..., Detector]


class Kept:
    """A sink that remembers, and fails at the result it is told to."""

    def __init__(self, full_at: int | None = None) -> None:
        self.results: list[Result] = []
        self.full_at = full_at

    def write(self, result: Result) -> None:
        if result.index == self.full_at:
            raise OutputError("cannot write d.jsonl: No space left on device")
        self.results.append(result)

    def close(self) -> None:
        raise AssertionError("the loop closes no sink: who opened one does")


class Told:
    """What the loop tells while it works."""

    def __init__(self) -> None:
        self.counts: list[int] = []
        self.skips: list[str] = []

    def skip(self, error: SourceError) -> None:
        self.skips.append(str(error))


def go(stream: Stream, *sinks: Kept, told: Told) -> Summary:
    return run(stream, sinks, counted=told.counts.append, skipped=told.skip)


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Six numbered pictures, of which the third and the last are none."""
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(6):
        cv2.imwrite(str(folder / f"{number}.png"), numbered_frame(number, NUMBERS.imgsz))
    for number in (2, 5):
        (folder / f"{number}.png").write_bytes(b"no picture")
    return folder


def test_every_sink_gets_every_result_in_order(make: Make) -> None:
    one, two, told = Kept(), Kept(), Told()
    with make(2, 0.001) as detector, detector.stream(numbered_frames(30, NUMBERS.imgsz)) as stream:
        summary = go(stream, one, two, told=told)
    assert [result.index for result in one.results] == list(range(30))
    assert one.results == two.results, "the same objects"
    assert told.counts == list(range(1, 31)) and told.skips == []
    assert (summary.frames, summary.dropped, summary.lost, summary.failures) == (30, 0, 0, ())
    for stage, mean in summary.stages._asdict().items():
        assert mean == pytest.approx(np.mean([getattr(result.timings, stage) for result in one.results])), stage
    assert 0 < summary.stages.infer < summary.seconds


def test_what_the_threads_did_before_the_loop_is_in_its_time(make: Make) -> None:
    """One image may be inferred before the loop asks for it: no core is in use for longer than the run takes."""
    with make(1, 0.05) as detector, detector.stream(numbered_frames(1, NUMBERS.imgsz)) as stream:
        until(lambda: detector.busy[0] > 0)
        summary = go(stream, told=Told())
        assert 0 < detector.busy[0] <= summary.seconds and summary.stages.infer <= summary.seconds


def test_images_that_cannot_be_read_are_skipped(make: Make, images: Path) -> None:
    kept, told = Kept(), Told()
    with make() as detector, detector.stream(images) as stream:
        summary = go(stream, kept, told=told)
    assert [result.source for result in kept.results] == [str(images / f"{number}.png") for number in (0, 1, 3, 4)]
    sentences = [f"{images / f'{number}.png'} is not a readable image: it is damaged" for number in (2, 5)]
    assert told.skips == sentences == list(summary.failures)
    assert told.counts == [1, 2, 3, 4] and summary.frames == 4


def test_the_only_image_is_not_skipped(make: Make, images: Path) -> None:
    told = Told()
    with (
        make() as detector,
        detector.stream(images / "2.png") as stream,
        pytest.raises(SourceError, match=r"2\.png is not a readable image"),
    ):
        go(stream, told=told)
    assert told.counts == [] == told.skips


class Camera:
    """Gives three frames and then breaks."""

    name, live, fps = "camera0", True, 30.0
    count: int | None = None

    def __init__(self) -> None:
        self.number = 0

    def read(self) -> Frame | None:
        self.number += 1
        if self.number > 3:
            raise SourceError("camera0 stopped giving frames")
        return Frame(numbered_frame(self.number, NUMBERS.imgsz), 0.0, self.name)

    def close(self) -> None:
        pass


def test_a_camera_that_stops_ends_the_run(make: Make) -> None:
    kept, told = Kept(), Told()
    with (
        make() as detector,
        Stream(Camera(), detector._stages, workers=3, drop="none") as stream,
        pytest.raises(SourceError, match="camera0 stopped"),
    ):
        go(stream, kept, told=told)
    assert len(kept.results) == 3 and told.counts == [1, 2, 3] and told.skips == []


def test_a_sink_that_cannot_write_ends_the_run(make: Make) -> None:
    before, full, behind, told = Kept(), Kept(full_at=2), Kept(), Told()
    with (
        make() as detector,
        detector.stream(numbered_frames(9, NUMBERS.imgsz)) as stream,
        pytest.raises(OutputError, match="No space left"),
    ):
        go(stream, before, full, behind, told=told)
    assert [len(sink.results) for sink in (before, full, behind)] == [3, 2, 2]
    assert told.counts == [1, 2], "a frame counts when every sink has it"


def test_an_inference_that_fails_ends_the_run(make: Make) -> None:
    kept, told = Kept(), Told()
    with (
        make(1, 0.0, frozenset({1})) as detector,
        detector.stream(numbered_frames(9, NUMBERS.imgsz)) as stream,
        pytest.raises(InferenceError, match="frame 1"),
    ):
        go(stream, kept, told=told)
    assert told.counts == [1]


def test_lost_frames_are_counted(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    with make(1) as detector:
        infer = detector._stages.infer
        calls: Iterator[int] = iter(range(9))

        def hang_twice(*arguments: Any) -> object:
            if next(calls) in (1, 4):
                raise CoreHungError("no answer")
            return infer(*arguments)

        monkeypatch.setattr(detector._stages, "infer", hang_twice)
        kept, told = Kept(), Told()
        with detector.stream(numbered_frames(9, NUMBERS.imgsz)) as stream:
            summary = go(stream, kept, told=told)
    assert [result.index for result in kept.results] == [0, 2, 3, 5, 6, 7, 8]
    assert (summary.frames, summary.lost, summary.failures) == (7, 2, ())
    summary.check_answered()


def test_a_run_without_frames(make: Make) -> None:
    told = Told()
    with make() as detector, detector.stream(iter(())) as stream:
        summary = go(stream, told=told)
    assert summary.frames == 0 and set(summary.stages) == {0.0} and told.counts == []
    summary.check_answered()


def test_a_run_folder_has_a_number_where_its_name_is_taken(tmp_path: Path) -> None:
    for expected in ("clip", "clip-2", "clip-3"):
        with run_folder(tmp_path / "runs", None, source="clip") as folder:
            assert folder == tmp_path / "runs" / expected
            (folder / "clip.mp4").touch()
    with run_folder(tmp_path / "runs", "clip", source="camera0") as folder:
        assert folder == tmp_path / "runs/clip", "asked for by name, it may exist"
    assert (tmp_path / "runs/clip/clip.mp4").exists()


def test_a_run_folder_of_a_camera_that_is_named_by_its_link_is_not_beside_the_link(tmp_path: Path) -> None:
    with run_folder(tmp_path, None, source="/dev/v4l/by-id/usb-x") as folder:
        assert folder == tmp_path / "dev-v4l-by-id-usb-x"


def test_a_run_folder_without_results_is_removed(tmp_path: Path) -> None:
    """With the folders that were made for it, and no others."""
    (tmp_path / "mine").mkdir()
    with pytest.raises(ZeroDivisionError), run_folder(tmp_path / "mine/runs/detect", None, source="clip") as folder:
        (folder / "detections.jsonl").touch()
        raise ZeroDivisionError
    assert list(tmp_path.rglob("*")) == [tmp_path / "mine"]
    with pytest.raises(ZeroDivisionError), run_folder(tmp_path / "runs", None, source="clip") as folder:
        (folder / "detections.jsonl").write_text("{}\n")
        raise ZeroDivisionError
    assert (tmp_path / "runs/clip/detections.jsonl").read_text() == "{}\n"
    (tmp_path / "empty").mkdir()
    with run_folder(tmp_path, "empty", source="clip") as folder:
        pass
    assert folder.is_dir(), "it was there before"


def test_a_run_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot write"), run_folder(tmp_path / "file/x", None, source="clip"):
        pass
    assert list(tmp_path.iterdir()) == [tmp_path / "file"]
