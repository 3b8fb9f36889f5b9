"""Videos, cameras and network streams as OpenCV reads them."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import re
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from yolorknn.errors import SourceError
from yolorknn.stream.opencv_file import video_capture
from yolorknn.stream.result import Clock
from yolorknn.stream.sources.source import Frame, LostError
from yolorknn.stream.sources.v4l2 import OtherFormatError, V4l2Camera
from yolorknn.text import is_text, shown_url, url_name

STREAM_TIMEOUT_MS = 5000
"""How long a stream may stay silent before it counts as lost."""
SHORT_SECONDS, SHORT_SHARE = 2.0, 0.05
"""The most, and the most of its length, that may be missing at the end of a file: of one whose sound goes on longer, as
of one that says its number of frames wrong."""
LARGE = 1 << 28
"""Bytes of a video of minutes at least."""

_logger = logging.getLogger(__name__)


class Capture:
    """A video file, camera or network stream, read by OpenCV, turned as a player turns it.

    Args:
        opened: makes the cv2.VideoCapture.
        name: what a folder of results is called after.
        source: what its frames say they are of.
        live: whether it is no file.
        failure: what is said where it gives nothing.

    Raises:
        SourceError: OpenCV cannot open it.
    """

    def __init__(self, opened: Callable[[], Any], *, name: str, source: str, live: bool, failure: str) -> None:
        self._capture, self.name, self._source, self.live = _opened_aside(opened), name, source, live
        capture = self._capture
        if not capture.isOpened():
            capture.release()
            raise SourceError(failure)
        capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 1)  # OpenCV 4.11 does not do so by itself
        rate = capture.get(cv2.CAP_PROP_FPS)
        self.fps = rate if 0 < rate < 1000 else 30.0
        frames = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
        self.count = frames if frames > 0 and not live else None
        self._failure = failure
        self._number = 0
        self._position = self._begins = 0.0
        self._ended = False
        self._says = self.count / rate if self.count and self.fps == rate else 0.0

    def read(self) -> Frame | None:
        ok, image = (False, None) if self._ended else self._capture.read()
        if ok:
            timestamp = time.time() if self.live else self._moved()
            self._number += 1
            clock: Clock = "unix" if self.live else "video"
            arrived = time.monotonic() if self.live else 0.0
            return Frame(np.asarray(image, np.uint8), timestamp, self._source, clock, arrived)
        if self._ended:
            return None
        self._ended = True
        if self._number == 0:
            raise LostError(self._failure, "silent") if self.live else SourceError(self._failure)
        if self.live:
            raise LostError(f"{self.name} stopped giving frames: check the cable or the network", "silent")
        self._tell_if_short()
        return None

    def skip(self) -> bool:
        """Pass over a frame without giving it; False at the end."""
        if self._ended or not self._capture.grab():
            self._ended = self._number > 0
            return False
        if not self.live:
            self._moved()
        self._number += 1
        return True

    @property
    def files(self) -> list[Path]:
        """What it reads, where that is a file."""
        return [] if self.live else [Path(self._source)]

    def close(self) -> None:
        self._capture.release()

    def _tell_if_short(self) -> None:
        """Say that a file gave much less than it says it has: also of one that is cut off, the end looks like any."""
        ends = self._begins + self._position + 1 / self.fps
        if self._says - ends <= max(SHORT_SECONDS, SHORT_SHARE * self._says):
            return
        # Of one that was cut without being encoded anew, some seconds before its beginning are there, and not shown.
        file = Path(self._source)
        if _is_large(file) or count_frames(file) < (1 - SHORT_SHARE) * self._says * self.fps:
            what = "%s ends after %.1f of the %.1f seconds that it says it has: it may be cut off or damaged"
            _logger.warning(what, self._source, ends, self._says)

    def _moved(self) -> float:
        """Return the position of the frame that was just read, in seconds: the file's, or after the one before."""
        seconds = self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
        if not self._number and self._says:  # a cut out of a longer one may count from that one's beginning
            self._begins = max(0.0, self._capture.get(getattr(cv2, "CAP_PROP_PTS", 0)) / self.fps)
        if self._number and not seconds > self._position:  # a file without times
            seconds = self._position + 1 / self.fps
        self._position = max(0.0, seconds)
        return self._position


def _is_large(file: Path) -> bool:
    """Tell whether reading a file once more takes long, and some seconds are little of it."""
    try:
        return file.stat().st_size > LARGE
    except OSError:  # it went meanwhile
        return True


def count_frames(path: Path) -> int:
    """Return how many frames a video file has, whatever it says: its packets are read, but not decoded."""
    capture = _opened_aside(lambda: video_capture(path, [cv2.CAP_PROP_FORMAT, -1]))
    try:
        packets = sum(1 for _ in iter(capture.grab, False))
        return packets or max(0, int(capture.get(cv2.CAP_PROP_FRAME_COUNT)))
    finally:
        capture.release()


def _opened_aside(opened: Callable[[], Any]) -> Any:
    """Open on another thread, as OpenCV heeds no signal while it waits for a pipe's writer or for the network.

    Ctrl-C leaves the thread behind, which ends when OpenCV returns, or with the process.
    """
    answer: Future[Any] = Future()

    def work() -> None:
        try:
            answer.set_result(opened())
        except BaseException as exc:
            answer.set_exception(exc)

    thread = threading.Thread(target=work, name="yolorknn-open", daemon=True)
    thread.start()
    capture = answer.result()
    thread.join()
    return capture


def open_video(path: Path) -> Capture:
    """Open a video file.

    Raises:
        SourceError: it may not be read, or OpenCV cannot read it.
    """
    if os.access(path, os.F_OK) and not os.access(path, os.R_OK):
        raise SourceError(f"cannot read the video {path}: {os.strerror(errno.EACCES)}")
    return Capture(
        lambda: video_capture(path),
        name=path.stem,
        source=str(path),
        live=False,
        failure=f"{path} is not a video or image that OpenCV can read",
    )


def open_camera(
    device: Path, *, name: str, patience: float, fps: float | None = None, size: tuple[int, int] | None = None
) -> V4l2Camera | Capture:
    """Open a camera; one whose pictures V4l2Camera does not know is left to OpenCV, which knows more and tells less.

    Raises:
        LostError: absent, not permitted, or gives no pictures.
    """
    if not device.exists():
        present = ", ".join(sorted(str(path) for path in Path("/dev").glob("video*"))) or "none"
        what = f"there is no camera {device} (cameras here: {present}): plug it in, or give another number"
        raise LostError(what, "absent")
    if not os.access(device, os.R_OK | os.W_OK):
        raise LostError(f"no permission to use {device}: sudo usermod -aG video $USER, then log in again", "denied")
    if sys.maxsize > 1 << 32:  # the structures of v4l2_api
        with contextlib.suppress(OtherFormatError):
            return V4l2Camera(device, name=name, fps=fps, size=size, patience=patience)
    failure = f"{device} gives no pictures: it may be in use, or not a capture device; try the next number"
    node = re.fullmatch(r"/dev/video(\d+)", str(device.resolve()))
    return Capture(
        lambda: cv2.VideoCapture(int(node[1]) if node else str(device), cv2.CAP_V4L2, _asked(fps, size)),
        name=name,
        source=name,
        live=True,
        failure=failure,
    )


def _asked(fps: float | None, size: tuple[int, int] | None) -> list[int]:
    asked = [] if fps is None else [cv2.CAP_PROP_FPS, round(fps)]
    return asked if size is None else [*asked, cv2.CAP_PROP_FRAME_WIDTH, size[0], cv2.CAP_PROP_FRAME_HEIGHT, size[1]]


def open_stream(url: str) -> Capture:
    """Open a network stream.

    Raises:
        SourceError: nothing came within STREAM_TIMEOUT_MS, or the URL is no text, which would end the process.
    """
    if not is_text(url):
        raise SourceError(f"{shown_url(url)} has bytes that are no UTF-8: write each as % and two digits")
    os.environ.setdefault("OPENCV_FFMPEG_CAPTURE_OPTIONS", "rtsp_transport;tcp")  # over UDP pictures come damaged
    limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, STREAM_TIMEOUT_MS, cv2.CAP_PROP_READ_TIMEOUT_MSEC, STREAM_TIMEOUT_MS]
    failure = f"no video from {shown_url(url)} (waited up to {STREAM_TIMEOUT_MS // 1000} s): check address and network"
    return Capture(
        lambda: cv2.VideoCapture(url, cv2.CAP_FFMPEG, limits),
        name=url_name(url) or "stream",
        source=shown_url(url),
        live=True,
        failure=failure,
    )
