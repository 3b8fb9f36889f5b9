"""How often a part may fail before it is given up, and what is tried for ever."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

from yolorknn.errors import RestartsError
from yolorknn.site.events import Event, Tell
from yolorknn.stream.backoff import Backoff

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


class Opening:
    """What results go to, where it cannot be opened: no reason to end what goes on, so it is tried for ever.

    Args:
        tell: told why, once, and when it is over.
    """

    def __init__(self, tell: Tell) -> None:
        self._tell, self._why, self._backoff = tell, "", Backoff()

    def failed(self, why: str) -> float:
        """Note that it cannot be opened; return the moment of the next try."""
        if why != self._why:
            self._tell(Event("sink", f"{why}; it is tried again until it can be opened", "error"))
        self._why = why
        return time.monotonic() + self._backoff.wait()

    def done(self) -> None:
        """Note that all is open."""
        if self._why:
            self._tell(Event("sink", "what results go to is all open now"))
        self._why = ""
        self._backoff.reset()
