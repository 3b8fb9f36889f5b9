"""Detector: shared by threads, and closed amid a stream."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from tests.fakes.backends import NUMBERS
from tests.fakes.numbered import numbered_frame, numbered_frames
from yolorknn import Detector
from yolorknn.errors import BackendError

IMGSZ = NUMBERS.imgsz
Make = Callable[..., Detector]


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


def test_closing_the_detector_in_the_middle(make: Make) -> None:
    detector = make(2, 0.002)
    stream = detector.stream(numbered_frames(500, IMGSZ))
    next(stream)
    detector.close()
    with pytest.raises(BackendError, match="closed while its stream was open"):
        next(stream)
    for use in (lambda: detector.detect(numbered_frame(0, IMGSZ)), lambda: detector.stream(numbered_frames(3, IMGSZ))):
        with pytest.raises(BackendError, match="closed"):
            use()
    detector.close()
