"""H.264 as cameras send it, of pictures that say their number: whether one came through whole can be told."""

from __future__ import annotations

import functools
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

BITS = 12
CELL = 16
"""Pixels of a bit's square; it is as large as a macroblock, so that its grey is exact enough."""
NEAR = 30
"""Levels by which a decoded picture may differ from the drawn one, smoothed."""


@dataclass(frozen=True)
class Clip:
    """A picture sequence that begins with a key frame, encoded."""

    size: tuple[int, int]
    """Height and width."""
    fps: int
    units: tuple[tuple[bytes, ...], ...]
    """A frame each: its NAL units without start codes, SPS and PPS before those of a key frame."""

    @property
    def parameters(self) -> tuple[bytes, bytes]:
        """SPS and PPS."""
        found = {unit[0] & 31: unit for unit in self.units[0]}
        return found[7], found[8]


def drawn(number: int, size: tuple[int, int]) -> np.ndarray:
    """Return the picture of a number: squares that are its bits over a pattern that moves with it."""
    height, width = size
    rows, columns = np.mgrid[0:height, 0:width]
    pattern = 96 + 48 * np.sin((columns + 7 * number) / 23) + 32 * np.cos((rows - 3 * number) / 17)
    image = np.repeat(pattern[..., None], 3, axis=2).astype(np.uint8)
    for bit in range(BITS):
        image[:CELL, bit * CELL : (bit + 1) * CELL] = 230 if number >> bit & 1 else 20
    return image


def number_in(image: np.ndarray) -> int:
    """Read the number of a picture."""
    squares = (image[4 : CELL - 4, bit * CELL + 4 : (bit + 1) * CELL - 4].mean() for bit in range(BITS))
    return sum((square > 125) << bit for bit, square in enumerate(squares))


def is_whole(image: np.ndarray) -> bool:
    """Tell whether it is the picture of its number everywhere: no square of it is from another or made up."""
    expected = _smoothed(number_in(image), (image.shape[0], image.shape[1]))
    return int(cv2.absdiff(cv2.blur(image, (9, 9)), expected).max()) <= NEAR


@functools.lru_cache(maxsize=256)
def _smoothed(number: int, size: tuple[int, int]) -> np.ndarray:
    return cv2.blur(drawn(number, size), (9, 9))


def packets_of(
    codec: str, options: dict[str, str], size: tuple[int, int], *, fps: int, frames: int
) -> list[tuple[bytes, int]]:
    """Encode the first pictures; return packets and their pictures' numbers, in the order in which they are decoded."""
    av = pytest.importorskip("av")
    context = av.CodecContext.create(codec, "w")
    context.height, context.width, context.pix_fmt = *size, "yuv420p"
    context.time_base, context.framerate = Fraction(1, fps), Fraction(fps)
    context.options = options
    packets = []
    for number in range(frames):
        frame = av.VideoFrame.from_ndarray(drawn(number, size), "bgr24")
        frame.pts = number
        packets += context.encode(frame)
    packets += context.encode(None)
    return [(bytes(packet), packet.pts) for packet in packets]


def write_packets(file: Path, codec: str, packets: Sequence[tuple[bytes, int, bool]]) -> None:
    """Write packets as a file: the bytes of each, its picture's number, and whether that stands alone, as the first."""
    av = pytest.importorskip("av")
    with av.open(io.BytesIO(packets[0][0]), format=codec) as first, av.open(str(file), "w") as written:
        stream = written.add_stream_from_template(first.streams.video[0])
        for number, (data, picture, alone) in enumerate(packets):
            packet = av.Packet(data)
            packet.stream, packet.time_base = stream, Fraction(1, 25)
            packet.pts, packet.dts, packet.is_keyframe = picture + 10, number, alone
            written.mux(packet)


@functools.cache
def encoded(size: tuple[int, int] = (256, 320), *, fps: int = 25, frames: int = 50, keys: int = 25) -> Clip:
    """Encode the first `frames` pictures, a key frame each `keys`."""
    # One slice a frame, as cameras send: zerolatency alone makes several, which a packet each would tear apart.
    options = {
        "preset": "ultrafast",
        "tune": "zerolatency",
        "x264-params": f"sliced-threads=0:slices=1:keyint={keys}:min-keyint={keys}:scenecut=0:repeat-headers=1",
    }
    units = tuple(
        tuple(unit for unit in re.split(rb"\x00*\x00\x00\x01", packet)[1:] if unit[0] & 31 in (1, 5, 7, 8))
        for packet, _ in packets_of("libx264", options, size, fps=fps, frames=frames)
    )
    return Clip(size, fps, units)
