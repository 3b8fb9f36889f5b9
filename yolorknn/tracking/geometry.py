"""Where boxes are among zones and lines, in pixels of one picture size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from yolorknn.tracking.zones import Anchor, Line, Point, Zone

AT: dict[Anchor, Point] = {
    "bottom": (0.5, 1.0),
    "center": (0.5, 0.5),
    "top": (0.5, 0.0),
    "left": (0.0, 0.5),
    "right": (1.0, 0.5),
}
"""Where an anchor is in a box of one by one."""
HALVINGS = 16
"""Of a step of an object, to find where it crosses an edge: as exact as a picture of 60000 pixels."""


def anchor_of(xyxy: Sequence[float], anchor: Anchor) -> Point:
    """Return the anchor of a box of x1, y1, x2, y2: x and y."""
    x1, y1, x2, y2 = xyxy
    across, down = AT[anchor]
    return x1 + (x2 - x1) * across, y1 + (y2 - y1) * down


class Area:
    """A zone in a picture of one size."""

    def __init__(self, zone: Zone, size: tuple[int, int]) -> None:
        """Scale it to (width, height)."""
        self._outline = (np.array(zone.polygon) * size).astype(np.float32)

    def has(self, x: float, y: float) -> bool:
        """Return whether a point is inside, or on the edge."""
        return cv2.pointPolygonTest(self._outline, (x, y), False) >= 0

    def crossed(self, before: Sequence[float], now: Sequence[float]) -> float:
        """Return at what share of the way from one point to another it is that inside becomes outside, or back.

        Args:
            before: x and y, inside if `now` is outside, or outside.
            now: x and y.
        """
        low, high, inside = 0.0, 1.0, self.has(before[0], before[1])
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            x, y = (a + (b - a) * middle for a, b in zip(before, now, strict=True))
            low, high = (middle, high) if self.has(x, y) == inside else (low, middle)
        return (low + high) / 2


class Crossing(NamedTuple):
    """Where a way crosses a line, or its continuation."""

    share: float
    """Of the way, 0 to 1."""
    within: bool
    """Whether that is between the ends of the line."""


class Border:
    """A line in a picture of one size."""

    def __init__(self, line: Line, size: tuple[int, int]) -> None:
        """Scale it to (width, height)."""
        self._start = (line.start[0] * size[0], line.start[1] * size[1])
        end = (line.end[0] * size[0], line.end[1] * size[1])
        self._along = (end[0] - self._start[0], end[1] - self._start[1])
        self._length = float(np.hypot(*self._along))

    def inwards(self, x: float, y: float) -> float:
        """Return how many pixels a point is on the side that is in; below 0 on the other."""
        dx, dy = self._along
        return (dy * (x - self._start[0]) - dx * (y - self._start[1])) / self._length

    def crossed(self, before: Sequence[float], now: Sequence[float]) -> Crossing:
        """Return where the way from one point to another, on different sides, crosses."""
        one, other = self.inwards(before[0], before[1]), self.inwards(now[0], now[1])
        share = one / (one - other) if one != other else 1.0
        x, y = (a + (b - a) * share for a, b in zip(before, now, strict=True))
        along = (x - self._start[0]) * self._along[0] + (y - self._start[1]) * self._along[1]
        return Crossing(share, 0 <= along <= self._length**2)
