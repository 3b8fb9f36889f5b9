"""Results as annotated video in segments, for as long as there is room: the oldest go."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from yolorknn.errors import OutputError
from yolorknn.image import Image
from yolorknn.stream.opencv_file import video_capture
from yolorknn.stream.picture import picture_of
from yolorknn.stream.result import Result
from yolorknn.stream.sinks.encoders import RECORDED
from yolorknn.stream.sinks.shelf import Shelf, stamp
from yolorknn.stream.sinks.video import GAP, VideoWriter

CHECKED = 1.0
"""Seconds of video after which the quota is looked at."""

_logger = logging.getLogger(__name__)


class Segments:
    """Writes NAME-000001-20261126T184036Z.mp4 and on, each of some time, as fast as the source went.

    The open one is called .part.mp4; when it is finished and on the disk it gets its name. A killed process loses at
    most the last two seconds of it, and the next run gives it its name. A segment begins with the first frame, after a
    gap of 10 seconds, when a clock was set, when frames have another size, and when one has a third of the quota.

    It is H.264 in .mp4 where PyAV is installed, else what OpenCV can write, in .mkv.

    Raises:
        OutputError: it cannot be written, or another process writes segments of this name there.
    """

    def __init__(
        self,
        folder: Path,
        *,
        name: str,
        fps: float,
        names: Mapping[int, str],
        seconds: float = 60.0,
        quota: int = 10 << 30,
        told: Callable[[str], None] = _logger.info,
    ) -> None:
        """Take the folder over.

        Args:
            folder: is made.
            name: of the camera, with which all files begin.
            fps: about how many frames a second there will be.
            names: class names by class id.
            seconds: that a segment has at most.
            quota: bytes of all segments of this name in the folder, with the open one.
            told: is told how it is encoded, where that is not what plays everywhere.
        """
        self._fps, self._names, self._seconds, self._told = fps, names, seconds, told
        self._shelf = Shelf(folder, name, (".mp4", ".mkv"), quota=quota, plays=_plays)
        self._writer: VideoWriter | None = None
        self._size = (0, 0)
        self._begun = self._last = self._checked = 0.0
        self._failed = False

    def write(self, result: Result[Any]) -> None:
        try:
            self._record(result)
        except OutputError as exc:
            self._failed = True
            self._shelf.failed(exc)
            raise

    def _record(self, result: Result[Any]) -> None:
        now, picture = result.timestamp, picture_of(result, self._names)
        if self._writer is not None and self._is_over(now, picture):
            self._finish()
        if self._writer is None:
            self._writer = self._begin(result, picture)
        self._last = now
        self._writer.write(picture, now)
        if now - self._checked >= CHECKED:
            self._checked = now
            if self._shelf.make_room(self._writer.path):
                self._finish()

    def close(self) -> None:
        try:
            self._finish()
        finally:
            self._shelf.close()

    def _is_over(self, now: float, picture: Image) -> bool:
        jumped = not 0 < now - self._last <= GAP
        return jumped or now - self._begun + 0.5 / self._fps > self._seconds or picture.shape[:2] != self._size

    def _begin(self, result: Result[Any], picture: Image) -> VideoWriter:
        self._size = (picture.shape[0], picture.shape[1])
        self._begun = self._checked = result.timestamp
        path = self._shelf.begin(stamp(result.timestamp, result.clock), ".mp4")
        told, self._told = self._told, _nobody  # the same is true of all
        return VideoWriter(path, fps=self._fps, size=self._size, told=told, encoding=RECORDED)

    def _finish(self) -> None:
        writer, self._writer = self._writer, None
        if writer is None:
            return
        writer.close()
        if self._failed and not _plays(writer.path):  # a full disk had no room for its first frame
            writer.path.unlink(missing_ok=True)
        else:
            self._shelf.finish(writer.path)


def _nobody(_: str) -> None:
    pass


def _plays(path: Path) -> bool:
    """Return whether a file that a killed run left has a picture."""
    capture = video_capture(path)
    try:
        return bool(capture.grab())
    finally:
        capture.release()
