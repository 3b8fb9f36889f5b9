"""How long to wait before what was lost or failed is tried again."""

from __future__ import annotations

import random
from collections.abc import Callable

FIRST, LONGEST = 1.0, 60.0
"""Seconds."""
JITTER = (0.25, 0.5)
"""Part by which a wait is shorter, at random, so that what was lost together does not come back together.

After the longest first wait a camera opens, and its next key frame, a second away as a rule, comes within two seconds.
"""


class Backoff:
    """The waits between tries, for ever: each twice the one before; reset() when all has been well for long enough.

    Args:
        quick: tries with the first wait before them, until waits double.
        chance: as random.uniform.
    """

    def __init__(self, *, quick: int = 1, chance: Callable[[float, float], float] = random.uniform) -> None:
        self._tries, self._quick, self._chance = 0, quick, chance

    def wait(self, *, at_least: float = 0.0) -> float:
        """Return the seconds to wait before the next try, after one more loss; no more than LONGEST."""
        doublings = max(0, self._tries - self._quick + 1)
        self._tries += 1
        seconds = min(LONGEST, max(at_least, FIRST * 2.0 ** min(doublings, 10)))
        return seconds * (1 - self._chance(*JITTER))

    def reset(self) -> None:
        """Begin with the first wait again."""
        self._tries = 0
