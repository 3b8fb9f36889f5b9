"""What is slow to read, or cannot begin, holds up nothing and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import ROOT
from tests.fakes.backends import NUMBERS
from tests.fakes.numbered import numbered_frame
from tests.fakes.waiting import until
from yolorknn import Detector
from yolorknn.errors import BackendError, SourceError
from yolorknn.image import read_image
from yolorknn.stream import engine
from yolorknn.stream.sources.images import Images
from yolorknn.stream.stream import Stream

Make = Callable[..., Detector]


def test_a_source_that_blocks_does_not_hold_up_close(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "PATIENCE", 0.2)
    blocked, let_go, closed = threading.Event(), threading.Event(), threading.Event()

    def frames() -> Iterator[np.ndarray]:
        try:
            yield numbered_frame(0, NUMBERS.imgsz)
            blocked.set()
            let_go.wait(30)
            yield numbered_frame(1, NUMBERS.imgsz)
        finally:
            closed.set()

    before = set(threading.enumerate())  # with what another test may have left, which is no matter of this one
    try:
        with make() as detector:
            stream = detector.stream(frames())
            assert next(stream).index == 0 and blocked.wait(10)
            start = time.monotonic()
            stream.close()
            assert time.monotonic() - start < 5
            begun = set(threading.enumerate()) - before
            (reader,) = [thread for thread in begun if thread.name == "yolorknn-read"]
    finally:
        let_go.set()
    reader.join(10)
    assert closed.is_set() or not reader.is_alive(), "it ends by itself"


@pytest.mark.parametrize("after", range(4))
def test_a_thread_that_cannot_start(make: Make, monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    """However many of a stream's threads could: none is left, and the source is closed."""
    source = Images([numbered_frame(0, NUMBERS.imgsz)] * 100)
    closed: list[bool] = []
    monkeypatch.setattr(source, "close", lambda: closed.append(True))
    start, started = threading.Thread.start, [0]

    def refuse(thread: threading.Thread) -> None:
        if thread.name.startswith("yolorknn"):
            started[0] += 1
            if started[0] > after:
                raise RuntimeError("can't start new thread")
        start(thread)

    with make(2) as detector:
        monkeypatch.setattr(threading.Thread, "start", refuse)
        with pytest.raises(BackendError, match="the system gives no more threads"):
            Stream(source, detector._stages, workers=2, drop="none")
        monkeypatch.undo()
    assert closed == [True]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("yolorknn")]


def test_a_pipe_is_no_image(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.jpg")
    for path in (tmp_path / "a.jpg", Path("/dev/zero")):
        with pytest.raises(SourceError, match=f"{path.name} is not a readable image: it is a pipe or device"):
            read_image(path)


BLOCKED = """
import pathlib, sys, threading
sys.path.insert(0, '.')
from tests.fakes.backends import NUMBERS, number_detector
from tests.fakes.numbered import numbered_frame
from yolorknn.__main__ import interrupt
import signal
signal.signal(signal.SIGTERM, interrupt)
def frames():
    yield numbered_frame(0, NUMBERS.imgsz)
    threading.Event().wait()
detector = number_detector(pathlib.Path(sys.argv[1]))
stream = detector.stream(frames() if sys.argv[2] == 'frames' else sys.argv[2])
print(next(stream).index, flush=True)
if sys.argv[3] == 'go on':
    next(stream)
"""


@pytest.mark.parametrize("end", ["exit", "go on"])
def test_a_source_that_blocks_does_not_hold_up_the_process(tmp_path: Path, end: str) -> None:
    words = [sys.executable, "-c", BLOCKED, str(tmp_path), "frames", end]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT)
    assert process.stdout is not None and process.stdout.readline() == "0\n"
    if end == "go on":
        process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=15)
    assert process.returncode == (0 if end == "exit" else -signal.SIGINT), err
    assert ("KeyboardInterrupt" in err) == (end == "go on")


def test_sigterm_while_a_video_is_opened(tmp_path: Path) -> None:
    """One that gives nothing: a pipe that somebody reads, as only then it can be opened to write without waiting."""
    os.mkfifo(tmp_path / "v.mp4")
    ends: list[int] = []

    def is_read() -> bool:
        with suppress(OSError):
            ends.append(os.open(tmp_path / "v.mp4", os.O_WRONLY | os.O_NONBLOCK))
        return bool(ends)

    code = BLOCKED.replace("stream = ", "print('opening', flush=True)\nstream = ")
    words = [sys.executable, "-c", code, str(tmp_path), str(tmp_path / "v.mp4"), "exit"]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT)
    assert process.stdout is not None and process.stdout.readline() == "opening\n"
    until(is_read, by=process)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=15)
    os.close(ends[0])
    assert process.returncode == -signal.SIGINT
