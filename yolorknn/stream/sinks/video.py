"""Results as one annotated video."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from yolorknn.errors import OutputError
from yolorknn.files import atomic
from yolorknn.image import Image
from yolorknn.stream.result import Result
from yolorknn.tasks.draw import draw


class Video:
    """Writes annotated frames as an .mp4, which is begun with the first of them.

    Raises:
        OutputError: see VideoWriter.
    """

    def __init__(self, path: Path, *, fps: float, names: Mapping[int, str]) -> None:
        """Write to `path`; `names` are those of the classes."""
        self._path, self._fps, self._names = path, fps, names
        self._writer: VideoWriter | None = None

    def write(self, result: Result[Any]) -> None:
        picture = draw(result.frame, result.detections, self._names)
        if self._writer is None:
            self._writer = VideoWriter(self._path, fps=self._fps, size=(picture.shape[0], picture.shape[1]))
        self._writer.write(picture)

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()


class VideoWriter:
    """Writes an .mp4 under a temporary name; leaving the `with`, also by an error or Ctrl-C, finishes and renames it.

    Raises:
        OutputError: it cannot be written, or came out unreadable because the disk is full.
    """

    def __init__(self, path: Path, *, fps: float, size: tuple[int, int]) -> None:
        """Start a video of `size` (height, width)."""
        self.path = path
        self.frames = 0
        self._size = size
        self._atomic = atomic(path)
        self._temporary = self._atomic.__enter__()
        fourcc = cv2.VideoWriter.fourcc(*"mp4v")
        self._writer = cv2.VideoWriter(str(self._temporary), cv2.CAP_FFMPEG, fourcc, fps, size[::-1])
        if not self._writer.isOpened():
            self._temporary.unlink(missing_ok=True)
            raise OutputError(f"cannot write the video {path}: is the folder writable and the disk not full?")

    def write(self, image: Image) -> None:
        """Append one BGR frame; one of another size (a stream that changed) is resized."""
        if image.shape[:2] != self._size:
            image = np.asarray(cv2.resize(image, self._size[::-1]), np.uint8)
        self.frames += 1  # before it is written: Ctrl-C amid that is raised when it has been
        self._writer.write(image)

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Finish the video and give it its name."""
        self._writer.release()
        try:
            check = cv2.VideoCapture(str(self._temporary), cv2.CAP_FFMPEG)
            whole = self.frames > 0 and int(check.get(cv2.CAP_PROP_FRAME_COUNT)) == self.frames
            check.release()
            if not whole:
                raise OutputError(f"cannot finish the video {self.path}: is the disk full?")
        except BaseException as exc:
            self._atomic.__exit__(type(exc), exc, exc.__traceback__)
            raise
        self._atomic.__exit__(None, None, None)
