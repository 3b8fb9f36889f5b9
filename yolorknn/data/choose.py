"""Choose images to calibrate with, from what the camera sees.

Of all frames the n are kept whose thumbnails lie furthest apart: each new one is added, and of the then closest pair
one goes. So memory holds n frames however long the video is, and the same frames always give the same set.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from yolorknn.data.dataset import LISTING, SHEET, images_of, read_folder, read_list
from yolorknn.data.near_duplicates import Spread, is_broken, thumbnail
from yolorknn.errors import OutputError, SourceError
from yolorknn.files import atomic_folder, check_folder, writing
from yolorknn.image import IMAGE_SUFFIXES, Image, letterbox, read_image
from yolorknn.progress import Progress
from yolorknn.stream.sources.capture import count_frames
from yolorknn.stream.sources.images import ImageFiles
from yolorknn.stream.sources.open_source import files_of, open_source
from yolorknn.text import shown

CANDIDATES = 50
"""At most so many frames of a video are looked at for each that is wanted, evenly spread."""
QUALITY = 95
"""JPEG quality of frames; files are copied as they are."""


@dataclass
class Chosen:
    """The calibration set that choose() made.

    Attributes:
        folder: holds images/, dataset.txt and contact-sheet.jpg.
        images: how many were chosen.
        seen: how many frames were looked at.
        broken: how many of them were unreadable, torn or blank.
        alike: how many were near-duplicates of one chosen.
        ended: why a camera or stream gave fewer than asked for; what it gave is kept.
    """

    folder: Path
    images: int = 0
    seen: int = 0
    broken: int = 0
    alike: int = 0
    ended: str = ""


def choose(source: str, *, count: int, output: Path, progress: Progress | None = None) -> Chosen:
    """Choose images from a source and write them with a list and a contact sheet.

    Args:
        source: a video, camera, stream, folder (with those below it), glob, list (.txt), data.yaml or image.
        count: how many to choose; fewer where the source has not as many that differ. A camera or stream is read until
            there are so many, or until Ctrl-C.
        output: folder to make; it may exist if it is empty.
        progress: told how far it is.

    Raises:
        SourceError: the source cannot be opened, or no frame of it can be used.
        DatasetError: a list or data.yaml names what does not exist.
        OutputError: the folder is not empty, or cannot be written.
    """
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise OutputError(f"{output} is there and not empty: give another folder with -o, or remove it")
    check_folder(output.resolve().parent)
    chosen = Chosen(output)
    spread = Spread[_Item](count)
    live = False
    try:
        for item in _items(source, count):
            live = item.live
            chosen.seen += 1
            if item.image is None or is_broken(item.image):
                chosen.broken += 1
            elif not spread.offer(thumbnail(item.image), item):
                chosen.alike += 1
            if progress:
                progress("choosing", len(spread.items) / count if live else item.done)
            if live and len(spread.items) == count:
                break
    except (KeyboardInterrupt, SourceError) as exc:
        if not live or not spread.items:
            raise
        chosen.ended = str(exc) or "interrupted"
    if not spread.items:
        raise SourceError(
            f"none of the {chosen.seen} frames of {shown(source)} can be used: they are unreadable or blank"
        )
    chosen.images = len(spread.items)
    _write(output, spread.items)
    return chosen


@dataclass
class _Item:
    """One frame: its pixels until it is chosen, then its file's bytes or path."""

    image: Image | None
    done: float
    live: bool = False
    file: Path | None = None
    data: bytes = b""

    def pack(self) -> None:
        if self.image is not None and self.file is None:
            self.data = cv2.imencode(".jpg", self.image, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].tobytes()
        self.image = None

    def unpack(self) -> Image:
        if self.file is not None:
            return read_image(self.file)
        return np.asarray(cv2.imdecode(np.frombuffer(self.data, np.uint8), cv2.IMREAD_COLOR), np.uint8)


def _items(source: str, count: int) -> Iterator[_Item]:
    path = Path(source)
    if path.is_dir():
        listing = path / LISTING  # in a folder of choose() beside a contact sheet
        yield from _files(read_list(listing) if listing.is_file() else read_folder(path), source)
    elif path.suffix.lower() == ".txt" and path.exists():
        yield from _files(read_list(path), source)
    elif path.suffix.lower() in (".yaml", ".yml") and path.exists():
        yield from _files(images_of(path, splits=("train", "val")), source)
    else:
        opened = open_source(source)
        if isinstance(opened, ImageFiles):
            yield from _files(opened.paths, source)
            return
        try:
            total = count_frames(path) if files_of(opened) else 0
            step = max(1, total // (count * CANDIDATES))
            for number in itertools.count():
                frame = opened.read()
                if frame is None:
                    return
                if number % step == 0:
                    yield _Item(frame.image, min(number / max(total, 1), 1.0), live=opened.live)
        finally:
            opened.close()


def _files(files: list[Path], source: str) -> Iterator[_Item]:
    if not files:
        raise SourceError(f"{source} has no images ({', '.join(sorted(IMAGE_SUFFIXES))})")
    for number, file in enumerate(files, 1):
        image = None
        with contextlib.suppress(SourceError):
            image = read_image(file)
        yield _Item(image, number / len(files), file=file)


def _write(output: Path, items: list[_Item]) -> None:
    """Write everything into a folder beside `output`, then rename it."""
    with writing(output), atomic_folder(output.resolve()) as temporary:
        (temporary / "images").mkdir()
        names = []
        for number, item in enumerate(items):
            name = f"images/{number:04d}{item.file.suffix.lower() if item.file else '.jpg'}"
            data = item.file.read_bytes() if item.file else item.data
            (temporary / name).write_bytes(data)
            names.append(name)
        (temporary / LISTING).write_text("".join(f"{name}\n" for name in names))
        sheet = cv2.imencode(".jpg", contact_sheet(item.unpack() for item in items))[1]
        (temporary / SHEET).write_bytes(sheet.tobytes())


def contact_sheet(images: Iterator[Image]) -> Image:
    """Return a picture of all images, ten in a row, each with its number."""
    cells = []
    for number, image in enumerate(images):
        rgb, _ = letterbox(image, (120, 160))
        cell = np.ascontiguousarray(rgb[..., ::-1])
        cv2.rectangle(cell, (0, 0), (38, 14), (0, 0, 0), -1)
        cv2.putText(cell, f"{number:04d}", (2, 11), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (255, 255, 255), 1, cv2.LINE_AA)
        cells.append(cell)
    columns = min(len(cells), 10)
    cells += [np.zeros_like(cells[0])] * (-len(cells) % columns)
    return np.vstack([np.hstack(cells[i : i + columns]) for i in range(0, len(cells), columns)])
