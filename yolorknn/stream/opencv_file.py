"""Video files as OpenCV opens them, whatever their names: one with bytes that are no UTF-8 ends the process there."""

from __future__ import annotations

import os
from pathlib import Path

import cv2

from yolorknn.text import is_text


def video_capture(path: Path, *options: list[int]) -> cv2.VideoCapture:
    """Return a reader of a video file; one that is not opened where it cannot be.

    Args:
        path: the file.
        options: of cv2.VideoCapture.
    """
    if is_text(str(path)):
        return cv2.VideoCapture(str(path), cv2.CAP_FFMPEG, *options)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return cv2.VideoCapture()
    try:
        return cv2.VideoCapture(f"/dev/fd/{descriptor}", cv2.CAP_FFMPEG, *options)
    finally:
        os.close(descriptor)
