"""What a recording left: its files, when their frames are shown, and the frames."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from yolorknn.stream.sources.open_source import open_source


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


def times(path: Path) -> list[float]:
    """Return when each frame of a video is shown."""
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    shown = []
    while capture.read()[0]:
        shown.append(capture.get(cv2.CAP_PROP_POS_MSEC) / 1000)
    capture.release()
    return shown


def read_all(path: Path) -> list[np.ndarray]:
    source = open_source(path)
    images = []
    while (frame := source.read()) is not None:
        images.append(frame.image)
    source.close()
    return images
