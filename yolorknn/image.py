"""Images: out of a file, into the model's input by a letterbox, and boxes back out of it."""

from __future__ import annotations

import math
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from numbers import Integral
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from yolorknn.errors import SourceError
from yolorknn.picture_size import check_size, webp_orientation
from yolorknn.text import reason_of

Image = NDArray[np.uint8]

IMAGE_SUFFIXES = frozenset({".bmp", ".jp2", ".jpeg", ".jpg", ".mpo", ".png", ".tif", ".tiff", ".webp"})
"""Of what ultralytics takes, what OpenCV reads in each of its builds, but for .jp2, which some leave out."""
VIDEO_SUFFIXES = frozenset({".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".ts", ".webm", ".wmv"})

PADDING = 114
"""Grey level around the picture, as ultralytics trains with."""


def height_and_width(imgsz: int | Sequence[int]) -> tuple[int, int]:
    """Return a model's input size, of one side that both have, or height and width.

    Raises:
        ValueError: it is no such thing.
    """
    sides = tuple(imgsz) if isinstance(imgsz, Sequence) and not isinstance(imgsz, str) else (imgsz, imgsz)
    if len(sides) != 2 or not all(isinstance(side, Integral) for side in sides):
        raise ValueError(f"imgsz is a side in whole pixels, or height and width, not {imgsz!r}")
    return int(sides[0]), int(sides[1])


def read_image(path: Path) -> Image:
    """Read an image file as BGR uint8 (H, W, 3), turned as its EXIF orientation says.

    Raises:
        SourceError: absent or not an image.
    """
    try:
        with open(path, "rb", opener=_at_once) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise SourceError(f"{path} is not a readable image: it is a pipe or device")
            data = np.fromfile(file, np.uint8)
    except OSError as exc:
        raise SourceError(f"cannot read the image {path}: {reason_of(exc)}") from exc
    if path.suffix.lower() in VIDEO_SUFFIXES:
        raise SourceError(f"{path} is a video: iterate over Detector.stream(), or give it to 'yolorknn detect'")
    return decode_image(data, str(path))


def decode_image(data: NDArray[np.uint8], what: str) -> Image:
    """Return an image file's bytes, uint8 (N,), as read_image() does.

    Args:
        data: the file.
        what: what it is called in errors.

    Raises:
        SourceError: not an image.
    """
    if why := check_size(data.data):
        raise SourceError(f"{what} is not to be used: it {why}")
    turned = webp_orientation(data.data)
    flags = cv2.IMREAD_COLOR if turned is None else cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        image = cv2.imdecode(data, flags) if data.size else None
    except (cv2.error, MemoryError):  # of more pixels than it takes, in a part that is read later
        image = None
    if image is None:
        raise SourceError(f"{what} is not a readable image: it is {'damaged' if data.size else 'empty'}")
    return _upright(np.asarray(image, np.uint8), turned or 1)


def _upright(image: Image, orientation: int) -> Image:
    """Return an image of an EXIF orientation as it is looked at."""
    if orientation > 4:
        image = np.asarray(cv2.transpose(image), np.uint8)
    axes = {2: 1, 3: -1, 4: 0, 6: 1, 7: -1, 8: 0}
    return np.asarray(cv2.flip(image, axes[orientation]), np.uint8) if orientation in axes else image


def _at_once(name: str, flags: int) -> int:
    """Open without waiting for a pipe's writer."""
    return os.open(name, flags | os.O_NONBLOCK)


@dataclass(frozen=True)
class Letterbox:
    """How one image was laid into the model's input: the integers really used, so that the way back is exact."""

    source: tuple[int, int]
    """Height and width of the image."""
    resized: tuple[int, int]
    """Height and width of the picture inside the input."""
    left: int
    top: int
    """Columns and rows of padding before the picture."""

    @classmethod
    def fit(cls, source: tuple[int, int], imgsz: tuple[int, int]) -> Letterbox:
        """Place an image of size `source` in the middle of `imgsz`, both (height, width), as ultralytics does."""
        scale = min(imgsz[0] / source[0], imgsz[1] / source[1])
        height, width = (max(round(side * scale), 1) for side in source)
        # ultralytics' LetterBox: an odd row or column of padding goes after the picture
        left, top = round((imgsz[1] - width) / 2 - 0.1), round((imgsz[0] - height) / 2 - 0.1)
        return cls(source, (height, width), left, top)

    def undo(self, xyxy: NDArray[Any]) -> NDArray[np.float32]:
        """Map boxes (N, 4) from input pixels to pixels of the image, clipped to it."""
        return self.undo_points(xyxy.reshape(-1, 2, 2), clip=True).reshape(-1, 4)

    def undo_points(self, points: NDArray[Any], *, clip: bool = False) -> NDArray[np.float32]:
        """Map points (N, ..., 2), x, y, from pixels of the input to the image's, with `clip` to the nearest there."""
        rows = points.reshape(len(points), math.prod(points.shape[1:]))  # long ones, as numpy's loops are along them
        offset, factor, limit = _way_back(self, rows.shape[1] // 2)
        moved = np.subtract(rows, offset, dtype=np.float64)
        moved *= factor
        if clip:
            np.minimum(np.maximum(moved, 0, out=moved), limit, out=moved)
        return moved.astype(np.float32).reshape(points.shape)


@lru_cache
def _way_back(placed: Letterbox, points: int) -> NDArray[np.float64]:
    """Return three rows for so many points x1, y1, x2, y2...

    They are: what is taken off points of the input, times what that is pixels of the image, and their limit.
    """
    height, width = placed.source
    factor = (width / placed.resized[1], height / placed.resized[0])
    return np.tile(np.array(((placed.left, placed.top), factor, (width, height)), float), points)


def check_image(image: Any) -> Image:
    """Return the image if it is one as OpenCV reads it: uint8 (H, W, 3), BGR.

    Raises:
        ValueError: anything else.
    """
    if image is None:
        raise ValueError("there is no image: cv2.imread returns None for a file that is absent or not an image")
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        what = f"{image.dtype} array {image.shape}" if isinstance(image, np.ndarray) else type(image).__name__
        raise ValueError(f"an image is a uint8 array (height, width, 3) in BGR, as cv2.imread returns; got {what}")
    if image.size == 0:
        raise ValueError(f"the image {image.shape} has no pixels")
    return image


class Canvas:
    """The model's input as a buffer to use again, in which images are letterboxed: only their region is written.

    Attributes:
        pixels: contiguous uint8 (imgsz[0], imgsz[1], 3), RGB.
    """

    def __init__(self, imgsz: tuple[int, int]) -> None:
        self.pixels: Image = np.full((*imgsz, 3), PADDING, np.uint8)
        self._region: tuple[object, ...] | None = None

    def fit(self, source: tuple[int, int]) -> Letterbox:
        """Return how an image of (height, width) will lie there."""
        return Letterbox.fit(source, (self.pixels.shape[0], self.pixels.shape[1]))

    def fill(self, image: NDArray[Any] | None) -> Letterbox:
        """Resize and pad a BGR image, uint8 (H, W, 3), into `pixels`; return how it lies there.

        Raises:
            ValueError: not such an image.
        """
        image = check_image(image)
        placed = self.fit((image.shape[0], image.shape[1]))
        region = (placed.resized, placed.left, placed.top)
        if region != self._region:
            self.pixels[:] = PADDING
            self._region = region
        height, width = placed.resized
        picture = self.pixels[placed.top : placed.top + height, placed.left : placed.left + width]
        if placed.resized == placed.source:
            cv2.cvtColor(image, cv2.COLOR_BGR2RGB, dst=picture)
        else:
            _resize(image, picture)
            cv2.cvtColor(picture, cv2.COLOR_BGR2RGB, dst=picture)
        return placed


def _resize(image: Image, picture: Image) -> None:
    """Fill a picture with the image by linear interpolation, as cv2.resize does it.

    Of an odd number of rows for each of the new ones, as of 1080 to 360, that is the one in the middle, and of columns
    alike: cv2.resize would read their neighbours too, times 0.
    """
    height, width = picture.shape[:2]
    rows, columns = _odd(image.shape[0], height), _odd(image.shape[1], width)
    image = image[rows // 2 :: rows or 1]
    if rows and columns > 1:
        image = image[:, columns // 2 :]
        cv2.resize(image, None, dst=picture, fx=1 / columns, fy=1, interpolation=cv2.INTER_NEAREST)
    else:
        cv2.resize(image, (width, height), dst=picture, interpolation=cv2.INTER_LINEAR)


def _odd(many: int, few: int) -> int:
    """Return how many there are for each, where that is an odd number; else 0."""
    count, rest = divmod(many, few)
    return count if rest == 0 and count % 2 else 0


def as_seen(pixels: Image, colour: str) -> Image:
    """Return an image, RGB (H, W, 3), as a network sees it: "RGB", "BGR", or "GRAY" (H, W, 1)."""
    if colour == "GRAY":
        return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), np.uint8)[..., None]
    return pixels if colour == "RGB" else pixels[..., ::-1]


def as_batch(pixels: Image, colour: str) -> Image:
    """Return an image, RGB (H, W, 3), as the batch of one (1, C, H, W) that a network is given; see as_seen()."""
    return np.ascontiguousarray(as_seen(pixels, colour).transpose(2, 0, 1)[None])


def letterbox(image: Image, imgsz: tuple[int, int]) -> tuple[Image, Letterbox]:
    """Resize and pad a BGR image to the model's input.

    Args:
        image: uint8 (H, W, 3), BGR; not written to.
        imgsz: height and width of the input.

    Returns:
        A new contiguous uint8 array (imgsz[0], imgsz[1], 3) in RGB, and how the image lies in it.

    Raises:
        ValueError: not such an image.
    """
    canvas = Canvas(imgsz)
    placed = canvas.fill(image)
    return canvas.pixels, placed
