"""What stops without a word: a child that is stopped, an inference that hangs, a camera that sends nothing.

With the times that the product has; other tests shorten them.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

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
def ffmpeg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The only ffmpeg there is, of which nothing is known yet."""
    program = str(write_ffmpeg(tmp_path))
    monkeypatch.setattr(ffmpeg_program, "PLACES", (program,))
    monkeypatch.setattr(hardware, "_failures", {})
    ffmpeg_with.cache_clear()
    yield program
    ffmpeg_with.cache_clear()


def stop_decoder(program: str) -> None:
    """Stop the processes in which cameras are decoded."""
    children = [
        int(pid) for task in Path("/proc/self/task").iterdir() for pid in (task / "children").read_text().split()
    ]
    decoders = [pid for pid in children if program.encode() in Path(f"/proc/{pid}/cmdline").read_bytes()]
    assert decoders
    for pid in decoders:
        os.kill(pid, signal.SIGSTOP)


def test_everything_that_stops_goes_on(ffmpeg: str, tmp_path: Path) -> None:
    kept, hangs, go_on = Kept(), threading.Event(), threading.Event()
    core = SessionBackend(RecoveringSession(lambda: Context(hangs, go_on), where="the core"), WATCHED)
    detector = watched_detector(tmp_path, [core])  # type: ignore[list-item]
    with (
        RtspCamera(encoded(fps=25)) as served,
        detector,
        Watcher(detector, [Camera("door", served.url)], [kept]) as watcher,
    ):

        def stall() -> None:
            served.stalled = True  # until it is left, as a connection that a router forgot
            until(lambda: not by_name(watcher)["door"].up)
            served.stalled = False

        until(lambda: kept.by["door"] > 200)  # so that the decoder works alone
        for what, stop in (("child", lambda: stop_decoder(ffmpeg)), ("inference", hangs.set), ("camera", stall)):
            begun = time.monotonic()
            stop()
            time.sleep(1.0)  # for what was under way
            before = kept.by["door"]
            until(lambda before=before: kept.by["door"] >= before + 25)
            print(f"{what} stopped: a second of frames came in {time.monotonic() - begun:.1f} s")
            assert time.monotonic() - begun < RECOVERED
        go_on.set()
