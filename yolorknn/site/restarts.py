"""How often a part may fail before it is given up."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

from yolorknn.errors import RestartsError

MOST, WITHIN = 5, 60.0
"""Restarts of one part, in so many seconds."""
LONGEST_WAIT = 8.0


class Restarts:
    """Counts the failures of parts, each by itself."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failed: dict[str, deque[float]] = {}

    def wait(self, part: str, why: object) -> float:
        """Note that a part failed; return the seconds after which it is to be begun anew.

        Raises:
            RestartsError: it was begun anew too often.
        """
        moments = self._failed.setdefault(part, deque())
        now = self._clock()
        while moments and now - moments[0] >= WITHIN:
            moments.popleft()
        if len(moments) >= MOST:
            raise RestartsError(f"{part} failed again after {MOST} restarts in {WITHIN:.0f} s: {why}")
        moments.append(now)
        return float(min(2 ** (len(moments) - 1), LONGEST_WAIT))
