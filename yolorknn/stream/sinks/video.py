"""Results as one annotated video, which plays also when the process is killed: up to its last finished part."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from yolorknn.errors import OutputError
from yolorknn.image import Image
from yolorknn.stream.picture import picture_of
from yolorknn.stream.result import Result
from yolorknn.stream.sinks.encoders import KEPT, Encoder, Encoding, open_encoder

GAP = 10.0
"""Seconds between two frames beyond which a clock was set, or a camera was away: they follow one another then."""

_logger = logging.getLogger(__name__)


class Video:
    """Writes annotated frames as a video, which is begun with the first of them and goes as fast as the source went.

    It is H.264 in .mp4 where PyAV is installed, else what OpenCV can write, in .mkv.

    Raises:
        OutputError: see open_encoder.
    """

    def __init__(
        self,
        path: Path,
        *,
        fps: float,
        names: Mapping[int, str],
        told: Callable[[str], None] = _logger.info,
    ) -> None:
        """Write to `path`, whose suffix may become another.

        Args:
            path: the video.
            fps: about how many frames a second there will be.
            names: class names by class id.
            told: is told how it is encoded, where that is not what plays everywhere.
        """
        self._path, self._fps, self._names, self._told = path, fps, names, told
        self._writer: VideoWriter | None = None

    def write(self, result: Result[Any]) -> None:
        picture = picture_of(result, self._names)
        if self._writer is None:
            size = (picture.shape[0], picture.shape[1])
            self._writer = VideoWriter(self._path, fps=self._fps, size=size, told=self._told)
        self._writer.write(picture, result.timestamp)

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()


class VideoWriter:
    """Writes a video; leaving the `with`, also by an error or Ctrl-C, finishes it.

    Raises:
        OutputError: it cannot be written, or came out unreadable because the disk is full.
    """

    def __init__(
        self,
        path: Path,
        *,
        fps: float,
        size: tuple[int, int],
        told: Callable[[str], None] = _logger.info,
        encoding: Encoding = KEPT,
    ) -> None:
        """Start a video of `size` (height, width); see Video."""
        height, width = size
        self._even = (height + height % 2, width + width % 2)  # colours are stored for four pixels at once
        self._size, self._fps = size, fps
        self._encoder: Encoder = open_encoder(path, fps=fps, size=self._even, encoding=encoding)
        self._start = self._last = 0.0
        self.frames = 0
        if self._encoder.caveat:
            told(self._encoder.caveat)

    @property
    def path(self) -> Path:
        """The file."""
        return self._encoder.path

    def write(self, image: Image, timestamp: float | None = None) -> None:
        """Append one BGR frame; one of another size (a stream that changed) is laid into the first one's.

        Args:
            image: the frame.
            timestamp: when it was, in seconds; default is one period after the one before.
        """
        period = 1 / self._fps
        if timestamp is None:
            timestamp = self._last + period if self.frames else 0.0
        if not self.frames:
            self._start = timestamp
        elif not 0 < timestamp - self._last <= GAP:
            self._start += timestamp - self._last - period
        self._last = timestamp
        self.frames += 1  # before it is written: Ctrl-C amid that is raised when it has been
        self._encoder.write(self._fitted(image), timestamp - self._start)

    def _fitted(self, image: Image) -> Image:
        """Return the image in the video's size: padded to even sides with its own last row and column."""
        if image.shape[:2] != self._size:
            image = _laid_into(image, self._size)
        height, width = self._even[0] - self._size[0], self._even[1] - self._size[1]
        return np.pad(image, ((0, height), (0, width), (0, 0)), mode="edge") if height or width else image

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Finish the video.

        Raises:
            OutputError: it cannot be finished, or has no frame; then there is none.
        """
        if self.frames:
            self._encoder.close()
            return
        with contextlib.suppress(OutputError):
            self._encoder.close()
        self.path.unlink(missing_ok=True)
        raise OutputError(f"cannot finish the video {self.path}: it has no frame")


def _laid_into(image: Image, size: tuple[int, int]) -> Image:
    """Return the image scaled into `size`, with black around it where it has another shape."""
    scale = min(size[0] / image.shape[0], size[1] / image.shape[1])
    height, width = (max(1, round(side * scale)) for side in image.shape[:2])
    canvas = np.zeros((*size, 3), np.uint8)
    top, left = (size[0] - height) // 2, (size[1] - width) // 2
    canvas[top : top + height, left : left + width] = cv2.resize(image, (width, height))
    return canvas
