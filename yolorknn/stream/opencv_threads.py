"""OpenCV's own threads, which stand back while a stream's threads work."""

from __future__ import annotations

import threading

import cv2

_lock = threading.Lock()
_streams = 0
_before = 0


def hold_back() -> None:
    """Have OpenCV work in its caller's thread alone, until let_go() was called as often as this.

    Its threads wait for work by spinning, each on a CPU, for which then the stream's threads wait: on two CPUs, with
    three cores of 8 ms, a stage that takes 0.8 ms of CPU took 2.5 to 8 ms.
    """
    global _streams, _before  # noqa: PLW0603  OpenCV has one number for the process
    with _lock:
        if _streams == 0:
            _before = cv2.getNumThreads()
            cv2.setNumThreads(1)
        _streams += 1


def let_go() -> None:
    """Give OpenCV back its threads after the last stream."""
    global _streams  # noqa: PLW0603
    with _lock:
        _streams -= 1
        if _streams == 0:
            cv2.setNumThreads(_before)
