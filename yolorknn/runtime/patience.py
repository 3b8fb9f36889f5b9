"""How long one waits for a core before it counts as hung."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass


@dataclass(frozen=True)
class Patience:
    """How long an inference may take, in seconds, before its core counts as hung."""

    opening: float = 60.0
    """For opening a context: 100 MB are read from an SD card, and the driver may still be resetting the core."""
    first: float = 30.0
    """For a context's first inference: nothing is measured yet, and the driver may still be resetting the core."""
    factor: float = 20.0
    """Later: that many times the slowest of the last 32. A throttled or busy board is slower by a few times."""
    least: float = 2.0
    """But never less: an image a second apart may find the board swapping. Also what an end is held up by at most."""

    def seconds(self, measured: deque[float]) -> float:
        """Return the limit after inferences that took `measured` seconds."""
        return max(self.least, self.factor * max(measured)) if measured else self.first
