"""Frames that say their number, and the box that stands for it: which answer belongs to which frame."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from tests.fakes.encode import Cell


def numbered_frame(number: int, imgsz: tuple[int, int]) -> NDArray[np.uint8]:
    """Return a BGR frame whose pixels say its number."""
    return np.full((*imgsz, 3), (number % 256, number // 256, 7), np.uint8)


def numbered_frames(count: int, imgsz: tuple[int, int]) -> Iterator[NDArray[np.uint8]]:
    """Give the first `count` of them."""
    return (numbered_frame(number, imgsz) for number in range(count))


def number_of(image: NDArray[np.uint8]) -> int:
    """Read the number back from the RGB input."""
    assert image[0, 0, 0] == 7
    return int(image[0, 0, 2]) + 256 * int(image[0, 0, 1])


def cell_of(number: int) -> Cell:
    """Return the box that stands for a number."""
    return Cell(32, 0, 0, number % 5, 0.5 + number % 400 / 1000, (0.25, 0.25, 0.25, 0.25))
