"""A stream over a source: order, bounds, errors at their own frame, and threads that end."""

from __future__ import annotations

import contextlib
import gc
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from tests.conftest import ROOT
from tests.fakes.backends import NUMBERS, NumberBackend
from tests.fakes.numbered import numbered_frame, numbered_frames
from tests.stream.conftest import assert_of_its_frame
from yolorknn import Detector, InferenceError
from yolorknn.errors import SourceError
from yolorknn.runtime.pool import BackendPool
from yolorknn.stream.sources.images import Images
from yolorknn.stream.stream import Stream

IMGSZ = NUMBERS.imgsz
Make = Callable[..., Detector]


def frames(count: int) -> Iterator[NDArray[np.uint8]]:
    return numbered_frames(count, IMGSZ)


def test_500_frames_with_delays_and_failures(make: Make) -> None:
    """Order kept, none lost or doubled, each error at its own frame, and the stream goes on after it."""
    failing = frozenset(random.Random(1).sample(range(500), 40))
    seen: list[int] = []
    with make(3, 0.002, failing) as detector, detector.stream(frames(500)) as stream:
        while len(seen) < 500:
            try:
                result = next(stream)
            except InferenceError as exc:
                assert str(exc) == f"frame {len(seen)}"
                assert len(seen) in failing
            else:
                assert result.index == len(seen)
                assert result.index not in failing
                assert_of_its_frame(result)
            seen.append(len(seen))
        with pytest.raises(StopIteration):
            next(stream)


def test_it_unpacks(make: Make) -> None:
    start = time.time()
    with make() as detector:
        for number, (frame, index, timestamp, detections) in enumerate(detector.stream(frames(5))):
            assert index == number and frame.shape == (*IMGSZ, 3)
            assert start <= timestamp <= time.time() and len(detections) == 1


def test_reading_ahead_is_bounded(make: Make) -> None:
    """One result a core and 3 more, 3 letterboxed, and one in the reader's hand."""
    bound = 2 + 3 + 3 + 1
    read = asked = 0
    ahead: list[int] = []
    changed = threading.Condition()

    def counting() -> Iterator[NDArray[np.uint8]]:
        nonlocal read
        for frame in frames(300):
            with changed:
                read += 1
                ahead.append(read - asked)
                changed.notify()
            yield frame

    def as_far_as_it_may() -> bool:
        return read - asked >= bound

    with make(2) as detector, detector.stream(counting()) as stream:
        for _ in range(100):
            with changed:
                assert changed.wait_for(as_far_as_it_may, timeout=10)
                asked += 1
            next(stream)
    assert max(ahead) == bound


def test_leaving_the_loop_stops_the_threads(make: Make) -> None:
    detector = make(3, 0.002)
    for result in detector.stream(frames(500)):
        if result.index == 7:
            break
    gc.collect()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("yolorknn")]
    detector.close()


def test_an_error_of_the_callers_iterable_surfaces_after_the_frames_before_it(make: Make) -> None:
    def broken() -> Iterator[NDArray[np.uint8]]:
        yield from frames(3)
        raise ZeroDivisionError("mine")

    with make() as detector, detector.stream(broken()) as stream:
        assert [next(stream).index for _ in range(3)] == [0, 1, 2]
        with pytest.raises(ZeroDivisionError, match="mine"):
            next(stream)
        with pytest.raises(StopIteration):
            next(stream)


def test_a_frame_that_cannot_be_read_keeps_its_place(make: Make, tmp_path: Path) -> None:
    import cv2

    for number in range(6):
        cv2.imwrite(str(tmp_path / f"{number}.png"), numbered_frame(number, IMGSZ))
    (tmp_path / "2.png").write_bytes(b"not a png")
    with make() as detector, detector.stream(tmp_path) as stream:
        assert [next(stream).index for _ in range(2)] == [0, 1]
        with pytest.raises(SourceError, match=r"2\.png"):
            next(stream)
        assert [result.index for result in stream] == [3, 4, 5]


def test_an_error_does_not_keep_the_threads(make: Make) -> None:
    """The stream is not closed: the exception's traceback must not be what keeps it, and so its threads, alive."""
    detector = make(2, 0.0, frozenset({0, 1}))
    for _ in range(3):
        with contextlib.suppress(InferenceError):
            next(detector.stream(frames(100)))
    for thread in threading.enumerate():
        if thread.name.startswith("yolorknn"):
            thread.join(timeout=5)
            assert not thread.is_alive()
    detector.close()


def test_an_uncaught_error_in_the_loop_ends_the_process(tmp_path: Path) -> None:
    """Threads of a stream that a global still names do not keep the interpreter alive."""
    script = (
        "import sys, pathlib; sys.path.insert(0, '.')\n"
        "from tests.fakes.backends import NUMBERS, number_detector\n"
        "from tests.fakes.numbered import numbered_frames\n"
        f"detector = number_detector(pathlib.Path({str(tmp_path)!r}))\n"
        "stream = detector.stream(numbered_frames(500, NUMBERS.imgsz))\n"
        "for result in stream: raise RuntimeError('mine')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=30, cwd=ROOT, check=False
    )
    assert done.returncode == 1 and "RuntimeError: mine" in done.stderr


def test_timings_add_up(make: Make) -> None:
    """The stages of a frame follow one another, and none is negative; a core is busy at least while it infers."""
    slept: list[float] = []

    class Sleeps(NumberBackend):
        def infer(self, image: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
            slept.append(0.003)
            time.sleep(0.003)
            return super().infer(image)

    start = time.perf_counter()  # a stream begins to work before it is first asked
    with make(2, backend=Sleeps) as detector, detector.stream(frames(60)) as stream:
        timings = [result.timings for result in stream]
        elapsed = time.perf_counter() - start
        assert all(min(timing) >= 0 for timing in timings)
        assert sum(slept) <= sum(timing.infer for timing in timings) <= sum(detector.busy) <= 2 * elapsed
        assert all(busy > 0 for busy in detector.busy), "the cores share the work"


def test_a_core_is_lent_for_the_inference_and_no_longer(make: Make) -> None:
    with make(1) as detector:
        stages = detector._stages
        prepared = stages.prepare(next(frames(1)))
        assert detector.busy == (0.0,)
        inferred = stages.infer(prepared)
        (busy,) = detector.busy
        assert 0 < inferred.left - inferred.got <= busy
        stages.decode(inferred)
        assert detector.busy == (busy,)


def test_a_core_is_lent_in_the_order_of_asking() -> None:
    """Who gives one back and asks again stands behind who waits, so that no stream of a detector starves another."""
    pool = BackendPool([NumberBackend(NUMBERS)])
    turns = 0
    served, waits = threading.Event(), threading.Event()

    class Told(threading.Condition):
        def wait(self, timeout: float | None = None) -> bool:
            waits.set()
            return super().wait(timeout)

    pool._changed = Told(pool._lock)

    def wait_once() -> None:
        with pool.lend():
            served.set()

    other = threading.Thread(target=wait_once)
    with pool.lend():
        other.start()
        assert waits.wait(10)
    while not served.is_set() and turns < 1000:
        with pool.lend():
            turns += 1
    other.join()
    assert turns <= 1
    pool.close()


def test_two_streams_share_the_cores(make: Make) -> None:
    with make(2, 0.002) as detector, detector.stream(frames(200)) as one, detector.stream(frames(200)) as two:
        for first, second in zip(one, two, strict=True):
            assert_of_its_frame(first)
            assert_of_its_frame(second)


def test_more_workers_than_cores_lose_nothing(make: Make) -> None:
    with make(2, 0.002) as detector, Stream(Images(frames(100)), detector._stages, workers=7, drop="none") as stream:
        assert [result.index for result in stream] == list(range(100))


def test_opencvs_threads_stand_back_while_streams_run(make: Make) -> None:
    before = cv2.getNumThreads()
    cv2.setNumThreads(3)
    try:
        with make(1) as detector:
            one, other = detector.stream(frames(3)), detector.stream(frames(9))
            assert cv2.getNumThreads() == 1
            list(one)
            one.close()
            next(other)
            assert cv2.getNumThreads() == 1
            other.close()
            assert cv2.getNumThreads() == 3
    finally:
        cv2.setNumThreads(before)
