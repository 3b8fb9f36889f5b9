"""Which frames differ, and which of many lie furthest apart.

Frames are compared by their thumbnails, 12 x 12 pixels in CIELAB: brightness, colours, and where they are.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from yolorknn.image import Image

SIDE = 12
ALIKE = 3.0
"""Frames whose thumbnails differ by less (root mean square over pixels and channels, of 255 levels) are duplicates."""
FLAT = 3.0
"""Standard deviation of a thumbnail's lightness, of 255 levels, below which a frame shows nothing."""


class Packed(Protocol):
    """What Spread holds."""

    def pack(self) -> None:
        """Become small, as the item may be held for long."""


Item = TypeVar("Item", bound=Packed)


@dataclass
class Spread(Generic[Item]):
    """The items, at most `count`, whose thumbnails are furthest apart, in the order they came."""

    count: int
    items: list[Item] = field(default_factory=list)
    _features: list[NDArray[np.float32]] = field(default_factory=list)
    _apart: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 0)))

    def offer(self, feature: NDArray[np.float32], item: Item) -> bool:
        """Take the item unless it is a near-duplicate of one that is held; where there are too many, drop one."""
        away = distances(feature, self._features)
        if len(away) and away.min() < ALIKE:
            return False
        if len(self.items) == self.count and away.min() <= self._apart.min():
            return True  # it would be the one to go
        size = len(self.items) + 1
        apart = np.full((size, size), np.inf)
        apart[:-1, :-1] = self._apart
        apart[-1, :-1] = apart[:-1, -1] = away
        item.pack()
        self.items.append(item)
        self._features.append(feature)
        self._apart = apart
        if size > self.count:
            self._drop()
        return True

    def _drop(self) -> None:
        """Of the closest pair, drop the one that is closer to the next."""
        pair = np.unravel_index(self._apart.argmin(), self._apart.shape)
        nearest = {int(index): np.partition(self._apart[index], 1)[1] for index in pair}
        gone = min(nearest, key=lambda index: (nearest[index], -index))
        del self.items[gone], self._features[gone]
        self._apart = np.delete(np.delete(self._apart, gone, 0), gone, 1)


def thumbnail(image: Image) -> NDArray[np.float32]:
    """Return what an image is compared by: (432,) float32, lightness, a and b of 12 x 12 pixels, 0 to 255."""
    small = cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return cv2.cvtColor(small, cv2.COLOR_BGR2LAB).astype(np.float32).ravel()


def distances(feature: NDArray[np.float32], others: list[NDArray[np.float32]]) -> NDArray[np.float64]:
    """Return the root mean square difference of one thumbnail to others, in levels of 255."""
    if not others:
        return np.zeros(0)
    away: NDArray[np.float64] = np.sqrt(np.square(np.stack(others) - feature).mean(axis=1, dtype=np.float64))
    return away


def is_broken(image: Image) -> bool:
    """Return whether a frame shows nothing (covered lens, blank), or ends in the grey of a decoder that lost data."""
    if thumbnail(image)[::3].std() < FLAT:
        return True
    end = image[-max(image.shape[0] // 20, 1) :]
    return int(np.ptp(end)) <= 4 and 120 <= float(end.mean()) <= 136
