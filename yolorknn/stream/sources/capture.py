"""Videos, cameras and network streams as OpenCV reads them."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from yolorknn.errors import SourceError
from yolorknn.stream.sources.source import Frame
from yolorknn.text import shown_url, url_name

STREAM_TIMEOUT_MS = 5000
"""How long a stream may stay silent before it counts as lost."""


class Capture:
    """A video file, camera or network stream, read by OpenCV."""

    def __init__(self, capture: Any, *, name: str, live: bool, failure: str) -> None:
        self._capture, self.name, self.live = capture, name, live
        if not capture.isOpened():
            capture.release()
            raise SourceError(failure)
        rate = capture.get(cv2.CAP_PROP_FPS)
        self.fps = rate if 0 < rate < 1000 else 30.0
        frames = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
        self.count = frames if frames > 0 and not live else None
        self._failure = failure
        self._number = 0
        self._ended = False

    def read(self) -> Frame | None:
        ok, image = (False, None) if self._ended else self._capture.read()
        if ok:
            timestamp = time.time() if self.live else self._number / self.fps
            self._number += 1
            return Frame(np.asarray(image, np.uint8), timestamp, self.name)
        if self._ended:
            return None
        self._ended = True
        if self._number == 0:
            raise SourceError(self._failure)
        if self.live:
            raise SourceError(f"{self.name} stopped giving frames: check the cable or the network")
        return None

    def close(self) -> None:
        self._capture.release()


def open_video(path: Path) -> Capture:
    """Open a video file.

    Raises:
        SourceError: OpenCV cannot read it.
    """
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    return Capture(capture, name=path.stem, live=False, failure=f"{path} is not a video or image that OpenCV can read")


def open_camera(index: int) -> Capture:
    """Open the camera /dev/video`index`.

    Raises:
        SourceError: absent, not permitted, or gives no pictures.
    """
    device = Path(f"/dev/video{index}")
    if not device.exists():
        present = ", ".join(sorted(str(path) for path in Path("/dev").glob("video*"))) or "none"
        raise SourceError(f"there is no camera {device} (cameras here: {present}): plug it in, or give another number")
    if not os.access(device, os.R_OK | os.W_OK):
        raise SourceError(f"no permission to use {device}: sudo usermod -aG video $USER, then log in again")
    capture = cv2.VideoCapture(index, cv2.CAP_V4L2)
    failure = f"{device} gives no pictures: it may be in use, or not a capture device; try the next number"
    return Capture(capture, name=f"camera{index}", live=True, failure=failure)


def open_stream(url: str) -> Capture:
    """Open a network stream.

    Raises:
        SourceError: nothing came within STREAM_TIMEOUT_MS.
    """
    limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, STREAM_TIMEOUT_MS, cv2.CAP_PROP_READ_TIMEOUT_MSEC, STREAM_TIMEOUT_MS]
    capture = cv2.VideoCapture(url, cv2.CAP_FFMPEG, limits)
    failure = f"no video from {shown_url(url)} (waited up to {STREAM_TIMEOUT_MS // 1000} s): check address and network"
    return Capture(capture, name=url_name(url) or "stream", live=True, failure=failure)
