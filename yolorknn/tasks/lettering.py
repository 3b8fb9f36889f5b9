"""Text on pictures: OpenCV's own letters where they do, else a font of this machine by Pillow, where that is there."""

from __future__ import annotations

import functools
import os
import unicodedata
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

FONTS = tuple(
    Path(os.path.expanduser(folder))  # which leaves it as it is where a user has no home, as in containers
    for folder in ("/usr/share/fonts", "/usr/local/share/fonts", "~/.local/share/fonts", "~/.fonts")
)
_FACE = cv2.FONT_HERSHEY_SIMPLEX
_BESIDE = "#0123456789.%inout"
"""In a label: the confidence, a number, and which way a line was crossed."""
_TALL = 22
"""Height in pixels of this face's capitals at scale 1."""


def plain(text: str) -> str:
    """Return the text in the letters that OpenCV's fonts have: without accents; empty where none are left."""
    return unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().strip()


def letters(text: str, height: int) -> NDArray[np.uint8]:
    """Return text as a mask, 0 to 255, (H, W): how much of each pixel is ink.

    Args:
        text: what drawable() returned.
        height: of capitals, in pixels.
    """
    if text.isascii():
        weight = max(1, round(height / 9))
        (width, tall), base = cv2.getTextSize(text, _FACE, height / _TALL, weight)
        mask: NDArray[np.uint8] = np.zeros((tall + base + weight, width + weight), np.uint8)
        cv2.putText(mask, text, (0, tall), _FACE, height / _TALL, (255,), weight, cv2.LINE_AA)
        return mask
    font = _font(_font_of(frozenset(text)), height)
    left, top, right, bottom = font.getbbox(text)
    from PIL import Image, ImageDraw  # noqa: PLC0415

    picture = Image.new("L", (max(1, right - min(0, left)), max(1, bottom - min(0, top))))
    ImageDraw.Draw(picture).text((-min(0, left), -min(0, top)), text, fill=255, font=font)
    return np.asarray(picture, np.uint8)


def drawable(text: str, *, otherwise: str) -> str:
    """Return the text in a line, or what can be drawn of it here: without accents, or `otherwise` if none is left."""
    text = " ".join(text.split())  # Pillow fails of a line's end
    if text.isascii() or _font_of(frozenset(text)) is not None:
        return text
    bare = plain(text)
    return bare if len(bare) * 2 >= len(text) else otherwise


def missing(names: Iterable[str]) -> str | None:
    """Return what to install where names cannot be drawn as they are, in a sentence; None where all can."""
    lost = next((name for name in names if not name.isascii() and _font_of(frozenset(name)) is None), None)
    if lost is None:
        return None
    how = "install a font that has it, as fonts-noto-cjk" if _pillow() else "pip install pillow"
    return f"the name '{lost}' cannot be drawn in its own letters: {how}"


def _pillow() -> bool:
    try:
        from PIL import ImageFont  # noqa: F401, PLC0415
    except ImportError:
        return False
    return True


@functools.cache
def _files() -> tuple[Path, ...]:
    found = [path for folder in FONTS for kind in ("ttf", "ttc", "otf") for path in folder.rglob(f"*.{kind}")]
    return tuple(sorted(found, key=lambda path: (not path.stem.startswith("DejaVuSans"), len(path.stem), path.stem)))


@functools.lru_cache(1024)
def _font_of(characters: frozenset[str]) -> Path | None:
    """Return a font that has all of the characters, and what stands beside a name: a font of symbols has no digits."""
    if not _pillow():
        return None
    wanted = [character for character in {*characters, *_BESIDE} if not character.isspace()]
    return next((path for path in _files() if all(_has(path, character) for character in wanted)), None)


@functools.lru_cache(4096)
def _has(path: Path, character: str) -> bool:
    try:
        font = _font(path, 16)
        own, none = font.getmask(character), font.getmask("\U0010fffe")  # no font has that: it is shown as missing
    except OSError:
        return False
    return own.size != none.size or bytes(own) != bytes(none)


@functools.lru_cache(64)
def _font(path: Path | None, height: int) -> Any:
    from PIL import ImageFont  # noqa: PLC0415

    return ImageFont.truetype(str(path), round(height * 1.35))
