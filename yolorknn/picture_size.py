"""The size that an image file says it has, read from its first bytes: before a decoder fills the memory with it.

And which way a WebP is turned, which OpenCV's decoder of these leaves out.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable

MOST_PIXELS = 2**30
"""OpenCV decodes no more."""
MOST_CHEAP_PIXELS = 2**27
"""An image of more has to be worth it: 2**27 pixels are 400 MB as BGR."""
LEAST_BYTES = 1 / 50
"""A file's bytes a pixel, below which a large image is of one colour, or made to fill memories."""


def check_size(data: bytes | memoryview) -> str | None:
    """Return why an image file is not to be decoded, to be put behind "it"; None where nothing speaks against it.

    Args:
        data: the file. Of a kind that is not known here nothing is said.
    """
    if _has_endless_chunk(data):
        return "has a part that says it is larger than the file: it is cut off or damaged"
    size = picture_size(data)
    if size is None:
        return None
    height, width = size
    pixels = height * width
    if pixels > MOST_PIXELS or (pixels > MOST_CHEAP_PIXELS and len(data) < LEAST_BYTES * pixels):
        most = MOST_PIXELS if pixels > MOST_PIXELS else MOST_CHEAP_PIXELS
        return f"says it is {width}x{height} pixels, more than the {most // 2**20} million that are decoded"
    return None


def picture_size(data: bytes | memoryview) -> tuple[int, int] | None:
    """Return (height, width) of an image in any format that OpenCV decodes; None where it does not say."""
    head = bytes(data[:64])
    for magic, reader in _READERS:
        if re.match(magic, head, re.DOTALL):
            try:
                return reader(data)
            except (struct.error, IndexError, ValueError, ZeroDivisionError):
                return None
    return None


def webp_orientation(data: bytes | memoryview) -> int | None:
    """Return the orientation, 1 to 8, that a WebP's EXIF says; None of another file, 1 where it says none."""
    if re.match(rb"RIFF....WEBP", bytes(data[:12]), re.DOTALL) is None:
        return None
    at = 12
    while at + 8 <= len(data):
        length = int.from_bytes(data[at + 4 : at + 8], "little")
        if bytes(data[at : at + 4]) == b"EXIF":
            try:
                return _oriented(bytes(data[at + 8 : at + 8 + min(length, 1 << 16)]).removeprefix(b"Exif\0\0"))
            except (struct.error, IndexError):
                return 1
        at += 8 + length + length % 2
    return 1


def _oriented(tiff: bytes) -> int:
    order = "<" if tiff[:2] == b"II" else ">"
    at = struct.unpack_from(f"{order}I", tiff, 4)[0]
    for entry in range(at + 2, at + 2 + 12 * struct.unpack_from(f"{order}H", tiff, at)[0], 12):
        if struct.unpack_from(f"{order}H", tiff, entry)[0] == 0x112:
            said = int(struct.unpack_from(f"{order}H", tiff, entry + 8)[0])
            return said if 1 <= said <= 8 else 1
    return 1


def _has_endless_chunk(data: bytes | memoryview) -> bool:
    """Tell whether a chunk of a PNG says it is larger than the file; OpenCV makes room for it, up to 4 GB."""
    at = 8
    while bytes(data[:8]) == b"\x89PNG\r\n\x1a\n" and at + 4 <= len(data):  # it reads on where a type is cut off
        length = int.from_bytes(data[at : at + 4], "big")
        if length > len(data):
            return True
        at += 12 + length
    return False


def _png(data: bytes | memoryview) -> tuple[int, int]:
    width, height = struct.unpack_from(">II", data, 16)
    return height, width


def _gif(data: bytes | memoryview) -> tuple[int, int]:
    width, height = struct.unpack_from("<HH", data, 6)
    return height, width


def _bmp(data: bytes | memoryview) -> tuple[int, int]:
    kind = struct.unpack_from("<I", data, 14)[0]
    width, height = struct.unpack_from("<HH" if kind == 12 else "<ii", data, 18)
    return abs(height), abs(width)


def _jpeg(data: bytes | memoryview) -> tuple[int, int] | None:
    """Go from marker to marker, to the largest frame that is started: a decoder may take any of them."""
    at, sizes = 2, []
    while at + 9 <= len(data):
        if data[at] != 0xFF:
            at += 1  # as decoders do, past what is no marker
            continue
        marker = data[at + 1]
        if marker == 0xFF:
            at += 1
        elif marker in (0x00, 0x01) or 0xD0 <= marker <= 0xD8:
            at += 2
        elif marker in (0xD9, 0xDA):  # the end, and the pixels, before which the size must stand
            break
        else:
            if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
                height, width = struct.unpack_from(">HH", data, at + 5)
                sizes.append((height, width))
            at += 2 + struct.unpack_from(">H", data, at + 2)[0]
    return max(sizes, key=lambda size: size[0] * size[1], default=None)


def _webp(data: bytes | memoryview) -> tuple[int, int]:
    kind = bytes(data[12:16])
    if kind == b"VP8X":
        width, height = (int.from_bytes(data[at : at + 3], "little") + 1 for at in (24, 27))
    elif kind == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        width, height = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    else:
        width, height = (side & 0x3FFF for side in struct.unpack_from("<HH", data, 26))
    return height, width


def _tiff(data: bytes | memoryview) -> tuple[int, int]:
    order = "<" if data[0] == 0x49 else ">"
    big = struct.unpack_from(f"{order}H", data, 2)[0] == 43
    at = struct.unpack_from(f"{order}{'Q' if big else 'I'}", data, 8 if big else 4)[0]
    count = struct.unpack_from(f"{order}{'Q' if big else 'H'}", data, at)[0]
    at, step, values = (at + 8, 20, 12) if big else (at + 2, 12, 8)
    sides = {}
    for entry in range(at, at + step * min(count, 1000), step):
        tag, kind = struct.unpack_from(f"{order}HH", data, entry)
        if tag in (256, 257):
            sides[tag] = struct.unpack_from(order + {3: "H", 4: "I", 16: "Q"}.get(kind, "I"), data, entry + values)[0]
    return sides.get(257, 0), sides.get(256, 0)


def _pnm(data: bytes | memoryview) -> tuple[int, int] | None:
    text = re.sub(rb"#[^\n]*", b"", bytes(data[:4096]))
    found = re.match(rb"P[1-7fF]\s+(\d{1,12})\s+(\d{1,12})", text)
    if found is None and text.startswith(b"P7"):
        sides = dict(re.findall(rb"(WIDTH|HEIGHT)\s+(\d{1,12})", text))
        return int(sides.get(b"HEIGHT", 0)), int(sides.get(b"WIDTH", 0))
    return (int(found[2]), int(found[1])) if found else None


def _jpeg2000(data: bytes | memoryview) -> tuple[int, int] | None:
    at = bytes(data[:4096]).find(b"\xff\x4f\xff\x51")
    if at < 0:
        return None
    width, height, left, top = struct.unpack_from(">IIII", data, at + 8)
    return height - top, width - left


def _avif(data: bytes | memoryview) -> tuple[int, int] | None:
    sizes = re.findall(rb"ispe\0{4}(.{4})(.{4})", bytes(data[: 1 << 20]), re.DOTALL)
    height, width = (max((int.from_bytes(size[at], "big") for size in sizes), default=0) for at in (1, 0))
    return (height, width) if sizes else None


def _radiance(data: bytes | memoryview) -> tuple[int, int] | None:
    found = re.search(rb"\n[+-][XY] (\d{1,12}) [+-][XY] (\d{1,12})\n", bytes(data[: 1 << 16]))
    return (int(found[1]), int(found[2])) if found else None


def _sun(data: bytes | memoryview) -> tuple[int, int]:
    width, height = struct.unpack_from(">II", data, 4)
    return height, width


_READERS: tuple[tuple[bytes, Callable[[bytes | memoryview], tuple[int, int] | None]], ...] = (
    (rb"\x89PNG\r\n\x1a\n", _png),
    (rb"\xff\xd8", _jpeg),
    (rb"BM", _bmp),
    (rb"GIF8", _gif),
    (rb"RIFF....WEBP", _webp),
    (rb"II[\x2a\x2b]\0|MM\0[\x2a\x2b]", _tiff),
    (rb"P[1-7fF]\s", _pnm),
    (rb"....ftyp(avif|avis|mif1|heic)", _avif),
    (rb"#\?", _radiance),
    (rb"\x59\xa6\x6a\x95", _sun),
    (rb"\0\0\0\x0cjP  |\xff\x4f\xff\x51", _jpeg2000),
)
