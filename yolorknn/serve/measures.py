"""How long things took, counted in steps as Prometheus has its histograms, and the middle of the last of them."""

from __future__ import annotations

from bisect import bisect_left
from collections import deque

BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.2, 0.5, 1.0, 2.5, 5.0)
"""Seconds: of a stage from half a millisecond on a chip to a camera that piles up."""
LAST = 128
"""Values of which the middle is taken."""


class Histogram:
    """Seconds counted by how many they are; added to by one thread, read by any."""

    def __init__(self) -> None:
        self._counts = [0] * (len(BOUNDS) + 1)
        self._last: deque[float] = deque(maxlen=LAST)
        self.total = 0.0
        """Seconds of all together."""

    def add(self, seconds: float) -> None:
        """Count one."""
        self._counts[bisect_left(BOUNDS, seconds)] += 1
        self.total += seconds
        self._last.append(seconds)

    def buckets(self) -> list[tuple[str, float]]:
        """Return how many there are up to each bound, as Prometheus writes it; the last is all."""
        counts, sums, running = tuple(self._counts), [], 0
        for count in counts:
            running += count
            sums.append(float(running))
        return list(zip([*map(str, BOUNDS), "+Inf"], sums, strict=True))

    @property
    def middle(self) -> float | None:
        """The median of the last ones; None where there is none."""
        last = list(self._last)
        last.sort()
        return last[len(last) // 2] if last else None
