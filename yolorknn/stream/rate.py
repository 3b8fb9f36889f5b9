"""How many frames a second come."""

from __future__ import annotations

from collections import deque

KEPT = 32
"""Frames from which their rate is known."""


class Rate:
    """How many frames a second come, by their times of arrival; used by one thread, asked by any."""

    def __init__(self) -> None:
        self._moments: deque[float] = deque(maxlen=KEPT)

    def add(self, moment: float) -> None:
        """Count a frame."""
        self._moments.append(moment)

    def clear(self) -> None:
        """Begin anew."""
        self._moments.clear()

    def fps(self, now: float) -> float:
        """Return frames a second, which sinks while none comes; 0 before the second frame."""
        moments = tuple(self._moments)
        if len(moments) < 2:
            return 0.0
        between = (moments[-1] - moments[0]) / (len(moments) - 1)
        waited = now - moments[-1]
        span = moments[-1] - moments[0] + (waited if waited > 2 * between else 0.0)
        return (len(moments) - 1) / span if span > 0 else 0.0
