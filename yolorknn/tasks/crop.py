"""The middle of an image as a classifier's input."""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from yolorknn.image import Canvas, Image, Letterbox, check_image

LONG = 10
"""Of an image that is so many times as long as it is wide, or more, a classifier enlarges a part around the middle."""


class CropCanvas(Canvas):
    """The same for classifiers: the image's shorter side is resized to fit, and the middle of it taken.

    As ultralytics does it; where height and width of the input differ, the image is resized to them. Shrinking averages
    over areas: linear interpolation, which leaves pixels out, costs more than int8 does.
    """

    def fit(self, source: tuple[int, int]) -> Letterbox:
        """Return how an image of (height, width) will lie there: beyond the edges, where it is cropped."""
        height, width = self.pixels.shape[:2]
        if height != width:
            return Letterbox(source, (height, width), 0, 0)
        short = min(source)
        rows, columns = (int(height * side / short) for side in source)  # cut off, as torchvision does
        return Letterbox(source, (rows, columns), -round((columns - width) / 2), -round((rows - height) / 2))

    def fill(self, image: NDArray[Any] | None) -> Letterbox:
        """Resize and crop a BGR image, uint8 (H, W, 3), into `pixels`; return how it lies there.

        Raises:
            ValueError: not such an image.
        """
        image = check_image(image)
        placed = self.fit((image.shape[0], image.shape[1]))
        image, (height, width), (top, left) = self._part(image, placed)
        least = min(height, image.shape[0]), min(width, image.shape[1])
        for size, way in ((least, cv2.INTER_AREA), ((height, width), cv2.INTER_LINEAR)):  # areas only where both shrink
            if size != image.shape[:2]:
                image = np.asarray(cv2.resize(image, size[::-1], interpolation=way), np.uint8)
        rows, columns = self.pixels.shape[:2]
        cv2.cvtColor(image[top : top + rows, left : left + columns], cv2.COLOR_BGR2RGB, dst=self.pixels)
        return placed

    def _part(self, image: Image, placed: Letterbox) -> tuple[Image, tuple[int, int], tuple[int, int]]:
        """Return what of an image is resized, to which size, and where in that the middle begins.

        A line of 20000 pixels would fill 3 GB: of what is LONG, some times the middle, ending at whole pixels of both.
        """
        side, short = self.pixels.shape[0], min(placed.source)
        cut, size, begin = [slice(0, None)] * 2, list(placed.resized), [-placed.top, -placed.left]
        if max(size) >= LONG * side:
            along, step = size.index(max(size)), short // math.gcd(short, side)
            start = (begin[along] * short // side - short) // step * step
            stop = start - (-4 * short // step) * step
            cut[along], size[along] = slice(start, stop), (stop - start) * side // short
            begin[along] -= start * side // short
        return image[cut[0], cut[1]], (size[0], size[1]), (begin[0], begin[1])
