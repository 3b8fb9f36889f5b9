"""Which results are worth a picture or a message: those with something in them, and not too many."""

from __future__ import annotations

import time
from collections import deque
from typing import Any

from yolorknn.stream.result import Result


def moment(result: Result[Any]) -> float:
    """Return when a result was, in seconds that no set clock changes: of a video its own, else from now on."""
    return result.timestamp if result.clock == "video" else time.monotonic()


class Seldom:
    """Wants results with something in them, so many of each camera in any interval: what Queued's `wanted` may be."""

    def __init__(self, interval: float, *, most: int = 1) -> None:
        """Want at most `most` results of a camera in `interval` seconds; 0 seconds for all.

        Raises:
            ValueError: none would ever be wanted.
        """
        if not interval >= 0 or most < 1:
            raise ValueError(f"an interval is 0 s or more, of at least 1 result, not {interval} s of {most}")
        self._interval, self._most = interval, most
        self._last: dict[str, float] = {}  # by camera
        self._taken: dict[str, deque[float]] = {}

    def __call__(self, result: Result[Any]) -> bool:
        if not len(result.detections):
            return False
        now, camera = moment(result), result.camera
        taken = self._taken.setdefault(camera, deque(maxlen=self._most))
        if now < self._last.get(camera, now):  # another video
            taken.clear()
        self._last[camera] = now
        if len(taken) == self._most and now - taken[0] < self._interval:
            return False
        taken.append(now)
        return True
