"""What fails beside the cameras of a Watcher: a sink, an inference, the last core."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.fakes.rtsp import RtspCamera
from tests.fakes.waiting import until
from tests.fakes.watched import Kept, WholeBackend, by_name, watched_detector
from yolorknn.errors import BackendError, CoreDeadError, InferenceError, OutputError
from yolorknn.live.camera import Camera
from yolorknn.live.watcher import Watcher
from yolorknn.stream.result import Result


def test_a_sink_that_fails_is_left_out(cameras: list[RtspCamera], tmp_path: Path) -> None:
    class Full(Kept):
        def write(self, result: Result[Any]) -> None:
            super().write(result)
            raise OutputError("cannot write x: No space left on device")

    class Odd(Kept):
        def write(self, result: Result[Any]) -> None:
            super().write(result)
            raise ZeroDivisionError("a user's own sink")

    class Unread(Kept):
        """A pipe: `detect --serve 8080 --json - | head`."""

        def write(self, result: Result[Any]) -> None:
            super().write(result)
            raise BrokenPipeError

    full, odd, unread, good, told = Full(), Odd(), Unread(), Kept(), list[str]()
    with (
        watched_detector(tmp_path, [WholeBackend()]) as detector,
        Watcher(detector, [Camera("a", cameras[0].url)], [full, odd, unread, good], told=told.append),
    ):
        until(lambda: good.by["a"] > 5)
    assert len(full.results) == len(unread.results) == 1 and odd.by == good.by
    assert told == [
        "cannot write x: No space left on device; nothing more is written there",
        "nobody reads the pipe any more; nothing more is written there",
    ]


def test_frames_whose_inference_fails_are_counted(cameras: list[RtspCamera], tmp_path: Path) -> None:
    class Fails(WholeBackend):
        def infer(self, image: np.ndarray) -> list[np.ndarray]:
            outputs = super().infer(image)
            if self.seen % 3 == 0:
                raise InferenceError("failed")
            return outputs

    sink = Kept()
    with (
        watched_detector(tmp_path, [Fails()]) as detector,
        Watcher(detector, [Camera("a", cameras[0].url)], [sink]) as watcher,
    ):
        until(lambda: sink.by["a"] > 10)
        assert by_name(watcher)["a"].lost >= 5


def test_without_a_core_it_ends_and_says_why(cameras: list[RtspCamera], tmp_path: Path) -> None:
    class Dies(WholeBackend):
        def infer(self, image: np.ndarray) -> list[np.ndarray]:
            raise CoreDeadError("core 0 hung")

    told = list[str]()
    with (
        watched_detector(tmp_path, [Dies()]) as detector,
        Watcher(detector, [Camera("a", cameras[0].url)], told=told.append) as watcher,
        pytest.raises(BackendError, match="no NPU core is left"),
    ):
        watcher.wait(30)
    assert any(text.startswith("detection ended: no NPU core is left") for text in told)
