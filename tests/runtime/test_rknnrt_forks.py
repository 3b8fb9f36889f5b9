"""A process that is forked while its model works: it has none of the threads, and is told so at once, or ends."""

from __future__ import annotations

import itertools
import os
import select
import signal
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fakes.pictured import is_of, picture
from tests.fakes.standin import Library, needs_compiler
from tests.fakes.waiting import LONGEST
from yolorknn import Detections, Detector
from yolorknn.errors import YolorknnError
from yolorknn.stream.stream import Stream

pytestmark = needs_compiler
Work = Callable[[Detector, Stream[Detections]], object]


def forked(work: Callable[[], object]) -> str:
    """Return what a process that is forked now is told when it works, or that it ended."""
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # from Python 3.12 on, of a fork beside threads
        child = os.fork()
    if child == 0:
        try:
            work()
            os.write(writing, b"ended")
        except YolorknnError as exc:
            os.write(writing, str(exc).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with open(reading) as said:
        try:
            assert select.select([said], [], [], LONGEST)[0], "the process hangs"
            return said.read()
        finally:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)


@pytest.mark.parametrize(
    ("work", "said"),
    [
        (lambda detector, stream: detector.detect(picture(0)), "forked from: open the model after the fork"),
        (lambda detector, stream: list(stream), "forked from: open the model after the fork"),
        (lambda detector, stream: stream.close(), "ended"),
        (lambda detector, stream: detector.close(), "ended"),
    ],
    ids=["detect", "stream", "close of the stream", "close"],
)
def test_a_fork_in_the_middle_of_a_stream(library: Library, model: Path, work: Work, said: str) -> None:
    """All cores are lent then, to threads that the process which is forked does not have."""
    library.set(MS=20)
    with Detector(model, runtime="c") as detector:
        stream = detector.stream(picture(number % 8) for number in itertools.count())
        for result in itertools.islice(stream, 6):
            is_of(result.detections, result.index)
        assert said in forked(lambda: work(detector, stream))
        for result in itertools.islice(stream, 6):
            is_of(result.detections, result.index)
