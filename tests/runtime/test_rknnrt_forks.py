"""A process that is forked while its model works: it has none of the threads, and is told so at once, or ends."""

from __future__ import annotations

import contextlib
import itertools
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fakes.forks import forked
from tests.fakes.pictured import is_of, picture
from tests.fakes.standin import Library, needs_compiler
from tests.fakes.waiting import until
from yolorknn import Detections, Detector
from yolorknn.errors import BackendError
from yolorknn.runtime import stderr
from yolorknn.stream.stream import Stream

pytestmark = needs_compiler
Work = Callable[[Detector, Stream[Detections]], object]


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


def test_a_fork_while_a_model_is_opened(library: Library, model: Path) -> None:
    """What opens it holds locks and stderr, and is not in the process that is forked."""
    library.set(FAIL="hang_rknn_init:600000@1")

    def open_one() -> None:
        with contextlib.suppress(BackendError):
            Detector(model, runtime="c")

    opening = threading.Thread(target=open_one)
    opening.start()
    until(lambda: stderr._kept)
    time.sleep(0.1)  # it hangs by now

    def work() -> None:
        library.set(FAIL="", LOG=f"{library.log}.forked")
        with Detector(model, runtime="c") as detector:
            is_of(detector.detect(picture(0)), 0)
        assert os.path.samestat(os.fstat(2), before)

    real = stderr._kept[0].real
    assert real is not None
    before = os.fstat(real.descriptor)
    assert forked(work) == "ended"
    opening.join(30)
    library.let_go()


def test_a_fork_while_another_thread_is_about_to_catch_stderr(library: Library, model: Path) -> None:
    """It has the lock, and has not noted yet that it is this process's."""

    def work() -> None:
        library.set(LOG=f"{library.log}.forked")
        with Detector(model, runtime="c") as detector:
            is_of(detector.detect(picture(0)), 0)

    with stderr._lock():
        assert forked(work) == "ended"


def test_a_fork_is_told_so_at_once_and_its_parent_goes_on(library: Library, model: Path) -> None:
    with Detector(model, runtime="c") as detector:
        is_of(detector.detect(picture(0)), 0)
        said = forked(lambda: detector.detect(picture(1)))
        assert "opened by the process that this one was forked from: open the model after the fork" in said
        is_of(detector.detect(picture(1)), 1)
