"""A stream that is interrupted while it begins."""

from __future__ import annotations

import threading
from collections.abc import Callable

import cv2
import pytest

from tests.fakes.backends import NUMBERS
from tests.fakes.numbered import numbered_frames
from yolorknn import Detector

Make = Callable[..., Detector]


@pytest.mark.parametrize("place", ["yolorknn.stream.stream.weakref.finalize", "yolorknn.stream.engine.hold_back"])
def test_ctrl_c_while_a_stream_begins_leaves_no_thread(make: Make, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    before = cv2.getNumThreads()
    with make(1) as detector:
        with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
            patched.setattr(place, interrupted)
            detector.stream(numbered_frames(9, NUMBERS.imgsz))
        assert not [thread for thread in threading.enumerate() if thread.name in ("yolorknn-read", "yolorknn-infer")]
        assert cv2.getNumThreads() == before
        assert len(list(detector.stream(numbered_frames(9, NUMBERS.imgsz)))) == 9
