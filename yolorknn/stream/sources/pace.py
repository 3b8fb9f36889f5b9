"""Which frames are wanted, where they come more often than that."""

from __future__ import annotations

EARLY = 0.1
"""Of the period: so much sooner a frame may come and count as on time, as cameras are not exact."""


class Pace:
    """Tells which frames are wanted, where no more than `fps` a second are; None for all."""

    def __init__(self, fps: float | None) -> None:
        self.period = 1 / fps if fps else 0.0
        self._next = 0.0

    def due(self, moment: float) -> bool:
        """Tell whether the frame of this moment, in seconds of a clock that never goes back, is wanted."""
        if not self.period:
            return True
        if moment < self._next - EARLY * self.period:
            return False
        self._next += self.period
        if self._next <= moment:  # there was a pause
            self._next = moment + self.period
        return True
