"""OpenCV's own threads, which stand back while a stream's threads work."""

from __future__ import annotations

import threading

import cv2

_lock = threading.RLock()  # what is collected meanwhile may be a stream, which lets go
_streams: set[object] = set()
_before = 0


def hold_back(who: object) -> None:
    """Have OpenCV work in its caller's thread alone, until all who asked for that have let go.

    Its threads wait for work by spinning, each on a CPU, for which then the stream's threads wait: on two CPUs, with
    three cores of 8 ms, a stage that takes 0.8 ms of CPU took 2.5 to 8 ms.
    """
    global _before  # noqa: PLW0603  OpenCV has one number for the process
    with _lock:
        if not _streams:
            _before = cv2.getNumThreads()
            cv2.setNumThreads(1)
        _streams.add(who)


def let_go(who: object) -> None:
    """Give OpenCV back its threads after the last; a second call does nothing."""
    with _lock:
        if who in _streams:
            _streams.remove(who)
            if not _streams:
                cv2.setNumThreads(_before)
