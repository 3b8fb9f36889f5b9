from __future__ import annotations

import contextlib
import functools
import gc
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.conftest import ROOT
from tests.fakes.backends import NumberBackend
from tests.fakes.encode import split_metadata
from tests.fakes.numbered import cell_of, number_of, numbered_frame
from tests.fakes.rknn_files import write_rknn
from yolorknn import Detector, InferenceError
from yolorknn.errors import BackendError, SourceError
from yolorknn.model.metadata import Build, ModelMetadata
from yolorknn.runtime.pool import BackendPool
from yolorknn.stream.result import Result
from yolorknn.stream.sources.images import Images
from yolorknn.stream.sources.source import Frame
from yolorknn.stream.stream import Stream

IMGSZ = (32, 64)
METADATA = split_metadata(IMGSZ, 5)
Make = Callable[..., Detector]


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    gc.collect()
    assert set(threading.enumerate()) <= before


def make_detector(
    folder: Path, cores: int = 3, seconds: float = 0.0, failing: frozenset[int] = frozenset()
) -> Detector:
    metadata = ModelMetadata(**{**METADATA.__dict__, "build": Build("rk3588", "i8", "2.3.2")})
    model = write_rknn(folder / "model.rknn", metadata)
    backends = [NumberBackend(METADATA, seconds=seconds, failing=failing) for _ in range(cores)]
    return Detector(model, backends=backends)


@pytest.fixture
def make(tmp_path: Path) -> Make:
    return functools.partial(make_detector, tmp_path)


def frames(count: int) -> Iterator[NDArray[np.uint8]]:
    return (numbered_frame(number, IMGSZ) for number in range(count))


def assert_of_its_frame(result: Result) -> None:
    assert number_of(result.frame[..., ::-1]) == result.index
    expected = cell_of(result.index)
    assert result.detections.class_id.tolist() == [expected.class_id]
    assert result.detections.confidence[0] == pytest.approx(expected.confidence)


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
    with make() as detector:
        for number, (frame, index, timestamp, detections) in enumerate(detector.stream(frames(5))):
            assert index == number and frame.shape == (*IMGSZ, 3)
            assert abs(timestamp - time.time()) < 60 and len(detections) == 1


def test_reading_ahead_is_bounded(make: Make) -> None:
    read = 0

    def counting() -> Iterator[NDArray[np.uint8]]:
        nonlocal read
        for frame in frames(300):
            read += 1
            yield frame

    with make(2) as detector, detector.stream(counting()) as stream:
        next(stream)
        time.sleep(0.2)
        assert read <= 20


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


def test_closing_the_detector_in_the_middle(make: Make) -> None:
    detector = make(2, 0.002)
    stream = detector.stream(frames(500))
    next(stream)
    detector.close()
    with pytest.raises(BackendError, match="closed while its stream was open"):
        next(stream)
    for use in (lambda: detector.detect(numbered_frame(0, IMGSZ)), lambda: detector.stream(frames(3))):
        with pytest.raises(BackendError, match="closed"):
            use()
    detector.close()


def test_an_error_does_not_keep_the_threads(make: Make) -> None:
    """The stream is not closed: the exception's traceback must not be what keeps it, and so its threads, alive."""
    detector = make(2, 0.0, frozenset({0, 1}))
    for _ in range(3):
        with contextlib.suppress(InferenceError):
            next(detector.stream(frames(100)))
    deadline = time.monotonic() + 5
    while (
        alive := [t for t in threading.enumerate() if t.name.startswith("yolorknn")]
    ) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not alive
    detector.close()


class LiveSource:
    """A camera that gives a frame every `period` seconds."""

    name, live, fps = "camera0", True, 100.0
    count: int | None = None

    def __init__(self, period: float, total: int) -> None:
        self.period, self.total, self.number = period, total, 0
        self.closed = False

    def read(self) -> Frame | None:
        if self.number == self.total:
            return None
        time.sleep(self.period)
        self.number += 1
        return Frame(numbered_frame(self.number - 1, IMGSZ), time.time())

    def close(self) -> None:
        self.closed = True


def test_drop_old_counts_what_it_drops_and_keeps_order(make: Make) -> None:
    source = LiveSource(0.001, 200)
    with make(1, 0.005) as detector:
        with Stream(source, detector, workers=1, drop="old") as stream:
            results = list(stream)
        for result in results:
            assert_of_its_frame(result)
        indices = [result.index for result in results]
        assert indices == sorted(set(indices))
        assert indices[-1] == 199, "the newest frame is never dropped"
        assert stream.dropped > 0
        assert len(indices) + stream.dropped == 200
    assert source.closed


def test_detect_from_many_threads(make: Make) -> None:
    wrong: list[int] = []

    def work(start: int) -> None:
        for number in range(start, start + 40):
            found = detector.detect(numbered_frame(number, IMGSZ))
            if found.class_id.tolist() != [number % 5]:
                wrong.append(number)

    with make(3, 0.001) as detector:
        threads = [threading.Thread(target=work, args=(100 * i,)) for i in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert wrong == []


def test_an_uncaught_error_in_the_loop_ends_the_process(tmp_path: Path) -> None:
    """Threads of a stream that a global still names do not keep the interpreter alive."""
    script = (
        "import sys, pathlib; sys.path.insert(0, '.')\n"
        "from tests.stream.test_stream import make_detector, frames\n"
        f"stream = make_detector(pathlib.Path({str(tmp_path)!r})).stream(frames(500))\n"
        "for result in stream: raise RuntimeError('mine')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=30, cwd=ROOT, check=False
    )
    assert done.returncode == 1 and "RuntimeError: mine" in done.stderr


def test_timings_add_up(make: Make) -> None:
    """The stages of a frame follow one another, and none is negative; the cores' busy time is that of inference."""
    start = time.perf_counter()  # a stream begins to work before it is first asked
    with make(2, 0.003) as detector, detector.stream(frames(60)) as stream:
        timings = [result.timings for result in stream]
        elapsed = time.perf_counter() - start
        infer = sum(timing.infer for timing in timings)
        assert all(min(timing) >= 0 for timing in timings)
        assert infer == pytest.approx(sum(detector.busy), rel=0.1)
        assert infer <= 2 * elapsed
        assert all(busy > 0 for busy in detector.busy), "the cores share the work"


def test_a_core_is_lent_in_the_order_of_asking() -> None:
    """Who gives one back and asks again stands behind who waits, so that no stream of a detector starves another."""
    pool = BackendPool([NumberBackend(METADATA)])
    turns = 0
    served = threading.Event()

    def wait_once() -> None:
        with pool.lend():
            served.set()

    other = threading.Thread(target=wait_once)
    with pool.lend():
        other.start()
        time.sleep(0.1)  # it waits now
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
    with make(2, 0.002) as detector, Stream(Images(frames(100)), detector, workers=7, drop="none") as stream:
        assert [result.index for result in stream] == list(range(100))
