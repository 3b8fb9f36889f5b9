"""What stops without a word: a child that is stopped, an inference that hangs, a camera that sends nothing.

With the times that the product has; other tests shorten them.
"""

from __future__ import annotations

import functools
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.fakes.clips import encoded
from tests.fakes.ffmpeg import write_ffmpeg
from tests.fakes.rtsp import RtspCamera
from tests.fakes.waiting import until
from tests.fakes.watched import WATCHED, Kept, WholeBackend, by_name, watched_detector
from yolorknn.live.camera import Camera
from yolorknn.live.watcher import Watcher
from yolorknn.model.metadata import Tensor
from yolorknn.runtime.backend import SessionBackend
from yolorknn.runtime.recovering import RecoveringSession
from yolorknn.runtime.session import Arrays
from yolorknn.stream.sources import ffmpeg_program, hardware
from yolorknn.stream.sources.ffmpeg_program import ffmpeg_with
from yolorknn.tasks.known import output_shapes

pytest.importorskip("av", reason="PyAV is not installed")
pytestmark = pytest.mark.exhaustive
RECOVERED = 30.0


class Context:
    """A context of the one core, which hangs once it is told to."""

    inputs = (Tensor("images", (1, 256, 320, 3), "uint8", "NHWC"),)
    outputs = tuple(Tensor(name, shape, "float32") for name, shape in output_shapes(WATCHED).items())

    def __init__(self, hangs: threading.Event, go_on: threading.Event) -> None:
        self._core, self._hangs, self._go_on = WholeBackend(0.02), hangs, go_on

    def run(self, arrays: Arrays) -> dict[str, np.ndarray]:
        if self._hangs.is_set():
            self._hangs.clear()
            assert self._go_on.wait(120)
        return dict(zip(output_shapes(WATCHED), self._core.infer(arrays["images"][0]), strict=True))

    def close(self) -> None:
        pass


@pytest.fixture
def decoders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """Those that are opened, with the only ffmpeg there is, of which nothing is known yet."""
    opened = list[Any]()

    class Noted(hardware.Trial):
        def __init__(self, *given: Any) -> None:
            super().__init__(*given)
            opened.append(self)

    monkeypatch.setattr(ffmpeg_program, "PLACES", (str(write_ffmpeg(tmp_path)),))
    monkeypatch.setattr(hardware, "_failures", {})
    monkeypatch.setattr(hardware, "Trial", Noted)
    ffmpeg_with.cache_clear()
    yield opened
    ffmpeg_with.cache_clear()


def test_everything_that_stops_goes_on(decoders: list[Any], tmp_path: Path) -> None:
    kept, hangs, go_on = Kept(), threading.Event(), threading.Event()
    core = SessionBackend(RecoveringSession(lambda: Context(hangs, go_on), where="the core"), WATCHED)
    detector = watched_detector(tmp_path, [core])  # type: ignore[list-item]
    with (
        RtspCamera(encoded(fps=25)) as served,
        detector,
        Watcher(detector, [Camera("door", served.url)], [kept]) as watcher,
    ):

        def stop_child() -> None:
            os.kill(decoders[-1]._chip._process.pid, signal.SIGSTOP)
            stands_still(kept)

        def hang() -> None:
            hangs.set()
            stands_still(kept)

        def stall() -> None:
            served.stalled = True  # until it is left, as a connection that a router forgot
            until(lambda: not by_name(watcher)["door"].up)
            served.stalled = False

        until(lambda: decoders and decoders[-1]._alone)
        for stop in (stop_child, hang, stall):
            until(lambda: by_name(watcher)["door"].detect_fps > 20)
            begun = time.monotonic()
            stop()
            until(functools.partial(_has, kept, kept.by["door"] + 25))
            seconds = time.monotonic() - begun
            print(f"{stop.__name__}: a second of frames came within {seconds:.1f} s")
            assert seconds < RECOVERED
        go_on.set()


def stands_still(kept: Kept) -> None:
    """Look that no frame is detected in."""
    time.sleep(0.5)  # for what was under way
    before = kept.by["door"]
    time.sleep(0.5)
    assert kept.by["door"] == before


def _has(kept: Kept, count: int) -> bool:
    return kept.by["door"] >= count
