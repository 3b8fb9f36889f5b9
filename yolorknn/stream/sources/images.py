"""Separate images as a source: files, and arrays of the caller's."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from yolorknn.errors import SourceError
from yolorknn.image import Image, check_image, read_image
from yolorknn.stream.sources.source import Frame


class ImageFiles:
    """Image files in order."""

    live, fps = False, 0.0

    def __init__(self, paths: list[Path], name: str) -> None:
        self.name, self.paths = name, paths
        self.count: int | None = len(paths)
        self._next = 0

    def read(self) -> Frame | None:
        if self._next == len(self.paths):
            return None
        path = self.paths[self._next]
        self._next += 1
        return Frame(read_image(path), time.time(), str(path))

    def close(self) -> None:
        pass


class NotAnImageError(SourceError, ValueError):
    """One of the caller's arrays is no image; those after it may be."""


class Images:
    """Arrays that the caller has or makes: any iterable of BGR uint8 (H, W, 3)."""

    live, fps, name = False, 0.0, "frames"
    count: int | None = None

    def __init__(self, images: Iterable[Image]) -> None:
        """Take images.

        Raises:
            ValueError: they are none, or one alone, whose rows would be taken for some.
        """
        if isinstance(images, np.ndarray) and images.ndim in (2, 3) and images.dtype != object:
            raise ValueError(f"an array {images.shape} is one image, and a source has several: give a list with it")
        if not isinstance(images, Iterable):
            raise ValueError(f"a source is a str, Path, int, or an iterable of images, not {type(images).__name__}")
        self._images: Iterator[Image] = iter(images)

    def read(self) -> Frame | None:
        for image in self._images:
            try:
                return Frame(check_image(image), time.time(), self.name)
            except ValueError as exc:
                raise NotAnImageError(str(exc)) from exc
        return None

    def close(self) -> None:
        pass
