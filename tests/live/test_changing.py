"""What changes while it runs: cameras that come and go, and the model."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.fakes.backends import NUMBERS, NumberBackend, number_detector
from tests.fakes.encode import split_metadata
from tests.fakes.numbered import numbered_frame
from tests.fakes.rknn_files import write_rknn
from tests.fakes.rtsp import RtspCamera
from tests.fakes.waiting import until
from tests.fakes.watched import Kept, WholeBackend, watched_detector
from yolorknn import Detector
from yolorknn.errors import InferenceError, ModelError
from yolorknn.live.camera import Camera
from yolorknn.live.watcher import Watcher
from yolorknn.model.metadata import Build, ModelMetadata


def test_cameras_come_and_go_and_the_others_do_not_notice(cameras: list[RtspCamera], tmp_path: Path) -> None:
    first, second, third = (camera.url for camera in cameras)
    sink = Kept()
    with (
        watched_detector(tmp_path, [WholeBackend()]) as detector,
        Watcher(detector, [Camera("a", first), Camera("b", second)], [sink], told=lambda _: None) as watcher,
    ):
        until(lambda: {"a", "b"} <= set(sink.by))
        opened = cameras[0].opened
        watcher.change([Camera("a", first), Camera("b", third), Camera("c", second, fps=10)])
        until(lambda: sink.by["c"] > 3 and cameras[2].opened == 1)
        until(lambda: watcher.status()[1].up)
        assert [status.name for status in watcher.status()] == ["a", "b", "c"]
        watcher.change([Camera("a", first)])
        gone = {name: sink.by[name] for name in ("b", "c")}
        before = sink.by["a"]
        until(lambda: sink.by["a"] > before + 40)
        assert all(sink.by[name] <= gone[name] + 9 for name in gone), "no more than was under way"
        assert cameras[0].opened == opened, "never opened anew"
        with pytest.raises(ValueError, match="at least one"):
            watcher.change([])
    numbers = [index for name, _, index in sink.results if name == "a"]
    assert numbers == sorted(set(numbers))


def test_a_camera_that_is_another_now_has_epochs_of_its_own(cameras: list[RtspCamera], tmp_path: Path) -> None:
    """Of one number are positions that may be compared; so it is where another watcher has the camera."""
    first, second, third = (camera.url for camera in cameras)
    sink, epochs = Kept(), dict[str, int]()
    with watched_detector(tmp_path, [WholeBackend()]) as detector:
        with Watcher(detector, [Camera("a", first), Camera("b", second)], [sink], epochs=epochs) as watcher:
            until(lambda: {"a", "b"} <= set(sink.by))
            watcher.change([Camera("a", first), Camera("b", third)])
            until(lambda: ("b", 2) in {result[:2] for result in sink.results})
            watcher.change([Camera("a", first)])
            watcher.change([Camera("a", first), Camera("b", second)])
            until(lambda: ("b", 3) in {result[:2] for result in sink.results})
        with Watcher(detector, [Camera("a", first)], [sink], epochs=epochs):
            until(lambda: ("a", 2) in {result[:2] for result in sink.results})
    for name in ("a", "b"):
        every = [epoch for camera, epoch, _ in sink.results if camera == name]
        assert every == sorted(every)


def built(metadata: ModelMetadata, path: Path) -> Path:
    path.parent.mkdir(exist_ok=True)
    return write_rknn(path, replace(metadata, build=Build("rk3588", "i8", "2.3.2")))


def test_a_model_takes_over_between_two_frames(tmp_path: Path) -> None:
    """Every frame is answered, in order; the one before is closed when it has answered its last."""
    frames = [numbered_frame(number, NUMBERS.imgsz) for number in range(60)]
    used: dict[str, list[NumberBackend]] = {}
    seen = dict.fromkeys(("old", "new"), 0)

    def detector(which: str) -> Detector:
        class Counts(NumberBackend):
            def infer(self, image: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
                seen[which] += 1
                return super().infer(image)

        used[which] = [Counts(NUMBERS, seconds=0.01) for _ in range(3)]
        return Detector(built(NUMBERS, tmp_path / which / "m.rknn"), backends=used[which])

    with detector("old") as old:
        taking_over = threading.Thread(target=lambda: old.replace(detector("new")))
        numbers = []
        with old.stream(iter(frames)) as stream:
            for result in stream:
                assert len(result.detections) == 1
                numbers.append(result.index)
                if len(numbers) == 20:
                    taking_over.start()
        taking_over.join()
        assert numbers == list(range(60))
        assert all(backend.closed for backend in used["old"]) and not any(backend.closed for backend in used["new"])
        assert sum(seen.values()) == 60 and min(seen.values()) >= 20
        assert len(old.detect(frames[0])) == 1 and seen["old"] < 40
    assert all(backend.closed for backend in used["new"])


def test_only_what_finds_the_same_takes_over(tmp_path: Path) -> None:
    metadata = split_metadata(NUMBERS.imgsz, 3)
    with (
        number_detector(tmp_path) as detector,
        Detector(built(metadata, tmp_path / "o.rknn"), backends=[NumberBackend(metadata)]) as other,
        pytest.raises(ModelError, match="another model takes over only where"),
    ):
        detector.replace(other)


@pytest.mark.parametrize("value", [0.0, np.nan, np.inf])
def test_a_model_proves_itself_on_every_context(tmp_path: Path, value: float) -> None:
    class Answers(WholeBackend):
        def __init__(self, more: float) -> None:
            super().__init__(looks=False)
            self._more = more

        def infer(self, image: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
            return [output + np.float32(self._more) for output in super().infer(image)]

    backends: list[WholeBackend] = [Answers(0.0), Answers(0.0), Answers(value)]
    with watched_detector(tmp_path, backends) as detector:
        if value == 0:
            detector.prove()
        else:
            with pytest.raises(InferenceError, match="values that are no numbers"):
                detector.prove()
        assert [backend.seen for backend in backends] == [1, 1, 1]
