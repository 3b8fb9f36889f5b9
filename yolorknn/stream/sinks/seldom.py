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
    """Wants results with something in them, so many in any interval: what Queued's `wanted` may be."""

    def __init__(self, interval: float, *, most: int = 1) -> None:
        """Want at most `most` results in `interval` seconds; 0 seconds for all.

        Raises:
            ValueError: none would ever be wanted.
        """
        if not interval >= 0 or most < 1:
            raise ValueError(f"an interval is 0 s or more, of at least 1 result, not {interval} s of {most}")
        self._interval = interval
        self._last = float("-inf")
        self._taken: deque[float] = deque(maxlen=most)

    def __call__(self, result: Result[Any]) -> bool:
        if not len(result.detections):
            return False
        now = moment(result)
        if now < self._last:  # another video
            self._taken.clear()
        self._last = now
        if len(self._taken) == self._taken.maxlen and now - self._taken[0] < self._interval:
            return False
        self._taken.append(now)
        return True
