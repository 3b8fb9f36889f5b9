"""Sizes as OpenCV's own encoders write them, and images that would fill the memory."""

from __future__ import annotations

import binascii
import struct
import tracemalloc
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from tests.conftest import DATASET
from yolorknn.errors import SourceError
from yolorknn.image import read_image
from yolorknn.picture_size import picture_size

HEIGHT, WIDTH = 123, 77


def encoded(suffix: str, *parameters: int) -> bytes:
    colour = np.random.default_rng(0).integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8)
    image: Any = {".pgm": colour[..., 0], ".pbm": colour[..., 0], ".hdr": colour.astype(np.float32)}.get(suffix, colour)
    ok, data = cv2.imencode(suffix, image, list(parameters))
    assert ok
    return bytes(data)


@pytest.mark.parametrize(
    "suffix", [".png", ".jpg", ".bmp", ".tiff", ".webp", ".ppm", ".pgm", ".pbm", ".jp2", ".hdr", ".ras"]
)
def test_the_size_is_what_was_encoded(suffix: str) -> None:
    assert picture_size(encoded(suffix)) == (HEIGHT, WIDTH)


def test_variants() -> None:
    assert picture_size(encoded(".webp", cv2.IMWRITE_WEBP_QUALITY, 101)) == (HEIGHT, WIDTH)  # lossless
    assert picture_size(encoded(".jpg", cv2.IMWRITE_JPEG_PROGRESSIVE, 1)) == (HEIGHT, WIDTH)
    if cv2.haveImageWriter("x.avif"):
        assert picture_size(encoded(".avif")) == (HEIGHT, WIDTH)
    for path in sorted((DATASET / "images").iterdir())[:5]:
        assert picture_size(path.read_bytes()) == read_image(path).shape[:2]


@pytest.mark.parametrize(
    "data", [b"", b"\x89PNG", b"\xff\xd8\xff\xc0", b"BM", b"II*\0\xff\xff\xff\x7f", b"P5 x", b"GIF89a"]
)
def test_what_does_not_say_its_size(data: bytes) -> None:
    assert picture_size(data) is None


def png(width: int, height: int) -> bytes:
    """Return a PNG of one colour, a bit a pixel."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", binascii.crc32(kind + data))

    squeeze = zlib.compressobj(9)
    rows = b"".join(squeeze.compress(bytes(1 + width // 8)) for _ in range(height)) + squeeze.flush()
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@pytest.mark.parametrize("size", [(40000, 30000), (24000, 20000)])
def test_a_bomb_is_refused_before_it_is_decoded(tmp_path: Path, size: tuple[int, int]) -> None:
    """One of more than OpenCV takes, and one that it makes 1.4 GB of."""
    path = tmp_path / "bomb.png"
    path.write_bytes(png(*size))
    assert path.stat().st_size < 200_000
    tracemalloc.start()
    with pytest.raises(SourceError, match=f"says it is {size[0]}x{size[1]} pixels"):
        read_image(path)
    assert tracemalloc.get_traced_memory()[1] < 10_000_000
    tracemalloc.stop()


def test_a_chunk_larger_than_the_file(tmp_path: Path) -> None:
    """OpenCV 4.11 makes 4 GB of room for it."""
    data = encoded(".png")
    at = data.index(b"IDAT") - 4
    (tmp_path / "a.png").write_bytes(data[:at] + b"\xf4\0\0\0" + data[at + 4 :])
    with pytest.raises(SourceError, match=r"a\.png is not to be used: it has a part that says it is larger"):
        read_image(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(data[:at] + b"\x44\0\0\0")  # where it ends behind that
    with pytest.raises(SourceError, match=r"b\.png is not to be used: it has a part that says it is larger"):
        read_image(tmp_path / "b.png")


def test_a_large_picture_of_one_colour_is_read(tmp_path: Path) -> None:
    path = tmp_path / "large.png"
    path.write_bytes(png(8000, 6000))
    assert read_image(path).shape == (6000, 8000, 3)
