"""Made-up parts for measuring the rest: a camera at so many frames a second, and pictures."""

from __future__ import annotations

import itertools
import time
from collections.abc import Sequence

import cv2
import numpy as np

from yolorknn.image import Image
from yolorknn.stream.sources.source import Frame

FRAME_SIZE = (1080, 1920)


def pictures(count: int = 8) -> list[Image]:
    """Return BGR uint8 pictures of FRAME_SIZE, smooth as camera frames are."""
    rng = np.random.default_rng(0)
    coarse = [rng.integers(0, 256, (27, 48, 3), np.uint8) for _ in range(count)]
    return [np.asarray(cv2.resize(image, FRAME_SIZE[::-1], interpolation=cv2.INTER_CUBIC)) for image in coarse]


class Paced:
    """A camera that gives a frame `fps` times a second, whether or not anyone is ready."""

    live, name = True, "camera"
    count: int | None = None

    def __init__(self, images: Sequence[Image], fps: float) -> None:
        self.fps = fps
        self._images = itertools.cycle(images)
        self._next = time.perf_counter()

    def read(self) -> Frame:
        """Wait for the next moment."""
        self._next = max(self._next + 1 / self.fps, time.perf_counter())
        time.sleep(max(0.0, self._next - time.perf_counter()))
        return Frame(next(self._images), time.time(), self.name)

    def close(self) -> None:
        """Nothing to release."""
