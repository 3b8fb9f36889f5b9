"""Videos as phones, screen recorders and broken programs leave them, written frame by frame with PyAV."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

QUARTERS = (20, 90, 160, 230)
"""Grey of the quarters of a picture, row by row."""


def quarters(height: int, width: int) -> np.ndarray:
    """Return a picture of four greys, by which one sees how it is turned."""
    image = np.zeros((height, width, 3), np.uint8)
    for number, grey in enumerate(QUARTERS):
        row, column = divmod(number, 2)
        image[row * height // 2 : (row + 1) * height // 2, column * width // 2 : (column + 1) * width // 2] = grey
    return image


def greys(image: np.ndarray) -> list[int]:
    """Return the greys of the quarters, row by row."""
    height, width = image.shape[0] // 2, image.shape[1] // 2
    parts = (image[:height, :width], image[:height, width:], image[height:, :width], image[height:, width:])
    return [int(np.median(part)) for part in parts]


def write_video(path: Path, images: Sequence[np.ndarray], times: Sequence[float]) -> Path:
    """Write images, each shown at its time in seconds."""
    av = pytest.importorskip("av")
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30, options={"crf": "10", "preset": "ultrafast"})
        stream.height, stream.width, stream.pix_fmt = *images[0].shape[:2], "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        for image, seconds in zip(images, times, strict=True):
            frame = av.VideoFrame.from_ndarray(image, "bgr24")
            frame.pts, frame.time_base = round(seconds * 1000), Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def turn(path: Path, degrees: int) -> None:
    """Say in an .mp4's track header that players are to turn it clockwise."""
    sine, cosine = {0: (0, 1), 90: (1, 0), 180: (0, -1), 270: (-1, 0)}[degrees]
    one = 1 << 16
    matrix = struct.pack(">9i", cosine * one, sine * one, 0, -sine * one, cosine * one, 0, 0, 0, 1 << 30)
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 4 + 40
    data[at : at + 36] = matrix
    path.write_bytes(data)


def miscount(path: Path, frames: int) -> None:
    """Have an .avi say that it has so many frames."""
    data = bytearray(path.read_bytes())
    for mark, skip in ((b"avih", 8 + 16), (b"strh", 8 + 32)):
        struct.pack_into("<I", data, data.index(mark) + skip, frames)
    path.write_bytes(data)
