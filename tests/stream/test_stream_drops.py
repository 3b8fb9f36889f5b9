"""A stream over a live source: the newest frame counts, and what is dropped is counted."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.fakes.backends import NUMBERS, NumberBackend
from tests.fakes.numbered import numbered_frame
from tests.stream.conftest import assert_of_its_frame
from yolorknn import Detector, SourceError
from yolorknn.stream.sources.source import Frame
from yolorknn.stream.stream import Stream

IMGSZ = NUMBERS.imgsz
Make = Callable[..., Detector]


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
        return Frame(numbered_frame(self.number - 1, IMGSZ), time.time(), self.name)

    def close(self) -> None:
        self.closed = True


def test_drop_old_counts_what_it_drops_and_keeps_order(make: Make) -> None:
    source = LiveSource(0.001, 200)
    with make(1, 0.005) as detector:
        with Stream(source, detector._stages, workers=1, drop="old") as stream:
            results = list(stream)
        for result in results:
            assert_of_its_frame(result)
        indices = [result.index for result in results]
        assert indices == sorted(set(indices))
        assert indices[-1] == 199, "the newest frame is never dropped"
        assert stream.dropped > 0
        assert len(indices) + stream.dropped == 200
    assert source.closed


def test_of_a_live_source_only_the_newest_frame_waits(make: Make) -> None:
    """While the only core has the first frame, 99 more come: of these the last is detected."""
    begun, all_read = threading.Event(), threading.Event()

    class Held(NumberBackend):
        def infer(self, image: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
            begun.set()
            assert all_read.wait(10)
            return super().infer(image)

    class Fast(LiveSource):
        def read(self) -> Frame | None:
            assert self.number == 0 or begun.wait(10)
            frame = super().read()
            if frame is None:
                all_read.set()
            return frame

    with make(backend=Held, cores=1) as detector:
        with Stream(Fast(0.0, 100), detector._stages, workers=1, drop="old") as stream:
            assert [result.index for result in stream] == [0, 99]
        assert stream.dropped == 98


def test_errors_that_nobody_takes_are_not_read_on_and_on(make: Make) -> None:
    """Each has its place, which no newer one takes: of a camera that is away there would be more and more."""

    class Away(LiveSource):
        def read(self) -> Frame | None:
            self.number += 1
            if self.number > 5000:
                return None
            raise SourceError(f"away {self.number}")

    source = Away(0, 0)
    with make(1) as detector, detector.stream(source) as stream:
        time.sleep(0.3)
        assert source.number < 20
        for number in range(1, 50):
            with pytest.raises(SourceError, match=f"away {number}$"):
                next(stream)
