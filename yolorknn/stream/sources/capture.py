"""Where frames come from (images, videos, cameras, streams), and the video writer."""

from __future__ import annotations

import glob
import os
import re
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import cv2
import numpy as np

from yolorknn.errors import OutputError, SourceError
from yolorknn.files import atomic
from yolorknn.image import Image, check_image

IMAGE_SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})
VIDEO_SUFFIXES = frozenset({".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".ts", ".webm", ".wmv"})

STREAM_TIMEOUT_MS = 5000
"""How long a stream may stay silent before it counts as lost."""


class Frame(NamedTuple):
    """One frame as a source gives it."""

    image: Image
    timestamp: float
    """Seconds: position in a video file, Unix time of capture otherwise."""


class Source(Protocol):
    """Frames one after another; used by one thread."""

    name: str
    """What a folder of results is called after."""
    live: bool
    """Whether frames come in their own time, and may be dropped."""
    count: int | None
    """How many frames there are, where that is known."""
    fps: float
    """Frames a second, for writing a video; 0 for separate images."""

    def read(self) -> Frame | None:
        """Return the next frame, None at the end.

        Raises:
            SourceError: this frame cannot be read; the next may be.
        """

    def close(self) -> None:
        """Release the device or file."""


def read_image(path: Path) -> Image:
    """Read an image file as BGR uint8 (H, W, 3), turned as its EXIF orientation says.

    Raises:
        SourceError: absent or not an image.
    """
    try:
        data = np.fromfile(path, np.uint8)
    except OSError as exc:
        raise SourceError(f"cannot read the image {path}: {exc.strerror or exc}") from exc
    if path.suffix.lower() in VIDEO_SUFFIXES:
        raise SourceError(f"{path} is a video: iterate over Detector.stream(), or give it to 'yolorknn detect'")
    image = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    if image is None:
        raise SourceError(f"{path} is not a readable image: it is {'damaged' if data.size else 'empty'}")
    return np.asarray(image, np.uint8)


class ImageFiles:
    """Image files in order."""

    live, fps = False, 0.0

    def __init__(self, paths: list[Path], name: str) -> None:
        self.name, self.paths = name, paths
        self.count: int | None = len(paths)
        self._next = 0

    def read(self) -> Frame | None:
        if self._next == len(self.paths):
            return None
        self._next += 1
        return Frame(read_image(self.paths[self._next - 1]), time.time())

    def close(self) -> None:
        pass


class Images:
    """Arrays that the caller has or makes: any iterable of BGR uint8 (H, W, 3)."""

    live, fps, name = False, 0.0, "frames"
    count: int | None = None

    def __init__(self, images: Iterable[Image]) -> None:
        self._images: Iterator[Image] = iter(images)

    def read(self) -> Frame | None:
        for image in self._images:
            return Frame(check_image(image), time.time())
        return None

    def close(self) -> None:
        pass


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
            return Frame(np.asarray(image, np.uint8), timestamp)
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


def open_source(source: str | Path | int | Iterable[Image]) -> Source:
    """Open what the user named.

    Args:
        source: an image, folder, glob, video, "camera0", 0, "/dev/video0", a stream's URL, or an iterable of images.

    Raises:
        SourceError: absent, unreadable, or not such a thing.
    """
    if not isinstance(source, (str, Path, int)):
        return Images(source)
    text = str(source)
    if camera := re.fullmatch(r"(?:camera|/dev/video)?(\d+)", text):
        return _camera(int(camera[1]))
    if "://" in text:
        return _stream(text)
    path = Path(text)
    if path.is_dir():
        images = sorted(entry for entry in path.iterdir() if entry.suffix.lower() in IMAGE_SUFFIXES)
        return _images(images, path.resolve().name, f"the folder {path} has no images")
    if not path.exists() and glob.has_magic(text):
        images = sorted(entry for entry in map(Path, glob.glob(text, recursive=True)) if _is_image(entry))
        return _images(images, "images", f"no image matches {text}")
    if not path.exists():
        raise SourceError(f"there is no file {path}: give an image, folder, glob, video, camera0 or a stream's URL")
    if _is_image(path):
        return ImageFiles([path], path.stem)
    capture = cv2.VideoCapture(text, cv2.CAP_FFMPEG)
    return Capture(capture, name=path.stem, live=False, failure=f"{path} is not a video or image that OpenCV can read")


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in IMAGE_SUFFIXES


def _images(paths: list[Path], name: str, failure: str) -> Source:
    if not paths:
        raise SourceError(f"{failure} ({', '.join(sorted(IMAGE_SUFFIXES))})")
    return ImageFiles(paths, name)


def _camera(index: int) -> Source:
    device = Path(f"/dev/video{index}")
    if not device.exists():
        present = ", ".join(sorted(str(path) for path in Path("/dev").glob("video*"))) or "none"
        raise SourceError(f"there is no camera {device} (cameras here: {present}): plug it in, or give another number")
    if not os.access(device, os.R_OK | os.W_OK):
        raise SourceError(f"no permission to use {device}: sudo usermod -aG video $USER, then log in again")
    capture = cv2.VideoCapture(index, cv2.CAP_V4L2)
    failure = f"{device} gives no pictures: it may be in use, or not a capture device; try the next number"
    return Capture(capture, name=f"camera{index}", live=True, failure=failure)


def _stream(url: str) -> Source:
    limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, STREAM_TIMEOUT_MS, cv2.CAP_PROP_READ_TIMEOUT_MSEC, STREAM_TIMEOUT_MS]
    capture = cv2.VideoCapture(url, cv2.CAP_FFMPEG, limits)
    shown = re.sub(r"//[^/@]*@", "//", url)  # no password in messages
    failure = f"no video from {shown} (waited up to {STREAM_TIMEOUT_MS // 1000} s): check address and network"
    name = re.sub(r"[^\w.-]+", "-", shown.partition("://")[2]).strip("-") or "stream"
    return Capture(capture, name=name, live=True, failure=failure)


class VideoWriter:
    """Writes an .mp4 under a temporary name; leaving the `with`, also by an error or Ctrl-C, finishes and renames it.

    Raises:
        OutputError: it cannot be written, or came out unreadable because the disk is full.
    """

    def __init__(self, path: Path, *, fps: float, size: tuple[int, int]) -> None:
        """Start a video of `size` (height, width)."""
        self.path = path
        self.frames = 0
        self._size = size
        self._atomic = atomic(path)
        self._temporary = self._atomic.__enter__()
        fourcc = cv2.VideoWriter.fourcc(*"mp4v")
        self._writer = cv2.VideoWriter(str(self._temporary), cv2.CAP_FFMPEG, fourcc, fps, size[::-1])
        if not self._writer.isOpened():
            self._temporary.unlink(missing_ok=True)
            raise OutputError(f"cannot write the video {path}: is the folder writable and the disk not full?")

    def write(self, image: Image) -> None:
        """Append one BGR frame; one of another size (a stream that changed) is resized."""
        if image.shape[:2] != self._size:
            image = np.asarray(cv2.resize(image, self._size[::-1]), np.uint8)
        self._writer.write(image)
        self.frames += 1

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self._writer.release()
        try:
            check = cv2.VideoCapture(str(self._temporary), cv2.CAP_FFMPEG)
            whole = self.frames > 0 and int(check.get(cv2.CAP_PROP_FRAME_COUNT)) == self.frames
            check.release()
            if not whole:
                raise OutputError(f"cannot finish the video {self.path}: is the disk full?")
        except BaseException as exc:
            self._atomic.__exit__(type(exc), exc, exc.__traceback__)
            raise
        self._atomic.__exit__(None, None, None)
