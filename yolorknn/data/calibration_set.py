"""CalibrationSet: a list, folder, data.yaml or video, made into images as the detector will see them.

rknn-toolkit2 would stretch raw images to the input's size, and refuse paths with spaces. So every image is letterboxed
exactly as frames will be, and handed over as an array in a folder of ours; that alone gains accuracy.
"""

from __future__ import annotations

import glob
import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from yolorknn.data.dataset import LISTING, images_of, read_folder, read_list, thin
from yolorknn.data.near_duplicates import ALIKE, distances, thumbnail
from yolorknn.data.spread import live_frames, spread, video_frames
from yolorknn.errors import CalibrationError, DatasetError, SourceError
from yolorknn.files import is_file, is_folder, writing
from yolorknn.image import IMAGE_SUFFIXES, VIDEO_SUFFIXES, Canvas, Image, as_batch, check_image, read_image
from yolorknn.progress import Progress
from yolorknn.stream.sources.capture import count_frames
from yolorknn.stream.sources.open_source import files_of, is_live, open_source
from yolorknn.text import shown_url

LIMIT = 200
"""Most images taken from a folder, data.yaml or video, evenly spread: each costs 10 MB and 0.3 s in the toolkit."""

FEW = 20
"""Fewer images than this are too few."""
ENLARGED, COVERED = 1.5, 0.5
"""Medians over the images, beyond which they are unlike what the model was trained on at its imgsz."""


class Letterboxed(NamedTuple):
    """A calibration set as arrays in a folder."""

    listing: Path
    """The list of them that rknn-toolkit2 reads."""
    images: int
    digest: str
    """The sha256 over their pixels."""


@dataclass(frozen=True)
class CalibrationSet:
    """Images to quantize with.

    Attributes:
        source: as the user named it, without a URL's password.
        images: the image files, in order; empty where `video`, `live` or `arrays` is given.
        video: a video to take frames from.
        live: a camera or stream to take frames from, which gives others each time.
        arrays: images of the caller's, BGR uint8 (H, W, 3).
    """

    source: Path
    images: tuple[Path, ...]
    video: Path | None = None
    live: str | None = None
    arrays: tuple[Image, ...] = ()

    @classmethod
    def of(cls, images: Iterable[NDArray[Any]]) -> CalibrationSet:
        """Take images that the caller has or makes, at most LIMIT of them, spread over all.

        Raises:
            ValueError: one is no image.
        """
        return cls(Path("frames"), (), arrays=tuple(spread((check_image(image).copy() for image in images), LIMIT)))

    @classmethod
    def open(cls, source: Path | str | CalibrationSet) -> CalibrationSet:
        """List the images of a .txt (one path a line, relative to it), a folder, a data.yaml, a video or one image.

        Or of what else `detect` reads: a glob, a camera or stream, or a file that names one (@FILE).

        Raises:
            CalibrationError: absent, without images, or naming images that do not exist.
        """
        if isinstance(source, CalibrationSet):
            return source
        text, source = str(source), Path(source)
        suffix = source.suffix.lower()
        if not is_file(source) and not is_folder(source):
            return cls._named(text)
        if suffix in VIDEO_SUFFIXES:
            return cls(source, (), video=source)
        try:
            if source.is_dir():
                listing = source / LISTING  # `yolorknn calibrate` puts a contact sheet beside it
                images = read_list(listing) if listing.is_file() else read_folder(source)
            elif suffix == ".txt":
                images = read_list(source)
            elif suffix in (".yaml", ".yml"):
                images = images_of(source, splits=("train", "val"))
            elif suffix in IMAGE_SUFFIXES:
                images = [source]
            elif count_frames(source):
                return cls(source, (), video=source)
            else:
                raise CalibrationError(f"{source} is not a folder, .txt, data.yaml, video or image")
        except DatasetError as exc:
            raise CalibrationError(str(exc)) from exc
        if not images:
            raise CalibrationError(f"{source} has no images ({', '.join(sorted(IMAGE_SUFFIXES))})")
        return cls(source, tuple(images if suffix == ".txt" else thin(images, LIMIT)))

    @classmethod
    def _named(cls, text: str) -> CalibrationSet:
        """Open what is named but is no file; a URL may have been a path, which has no double slashes."""
        text = re.sub(r"^([A-Za-z][A-Za-z0-9+.-]+):/(?!/)", r"\1://", text)
        if is_live(text):
            return cls(Path(shown_url(text)), (), live=text)
        if not glob.has_magic(text):
            raise CalibrationError(
                f"there is no dataset {text}: give a folder of images, a list of them (.txt), a data.yaml, a video, or "
                "what else detect reads"
            )
        try:
            images = files_of(open_source(text))
        except SourceError as exc:
            raise CalibrationError(str(exc)) from exc
        return cls(Path(text), tuple(thin(images, LIMIT)))

    def frames(self) -> Iterator[Image]:
        """Read the images one by one, BGR.

        Raises:
            CalibrationError: one cannot be read; it is named.
        """
        if self.video is not None or self.live is not None:
            try:
                yield from live_frames(self.live) if self.live else video_frames(self.video or self.source, LIMIT)
            except SourceError as exc:
                raise CalibrationError(str(exc)) from exc
            return
        yield from self.arrays
        for path in self.images:
            try:
                yield read_image(path)
            except SourceError as exc:
                raise CalibrationError(f"calibration image: {exc}") from exc

    def concerns(self, canvas: Canvas) -> list[str]:
        """Return what makes a poor calibration set of this one, a sentence each.

        Compared are: the number of images with FEW; each image's thumbnail with those of the others (see
        near_duplicates.thumbnail); and each image's size with the model's input: by how much it is enlarged there,
        and how much of the input it covers.

        Args:
            canvas: the model's input, of the size at which it was trained.

        Raises:
            CalibrationError: an image cannot be read.
        """
        count, different = 0, list[NDArray[np.float32]]()
        scales, covers = [], []
        height, width = canvas.pixels.shape[:2]
        for image in self.frames():
            count += 1
            placed = canvas.fit((image.shape[0], image.shape[1]))
            scales.append(placed.resized[0] / image.shape[0])
            covers.append(placed.resized[0] * placed.resized[1] / (height * width))
            if len(different) < FEW and not (distances(thumbnail(image), different) < ALIKE).any():
                different.append(thumbnail(image))
        size = f"{width}x{height}"
        found = []
        if count < FEW:
            found.append(f"the calibration set has {count} images; 50 to {LIMIT} show more of what the model will see")
        if count > 1 and len(different) < min(count, FEW) / 2:
            found.append(f"only {len(different)} of the {count} calibration images differ; see 'yolorknn calibrate'")
        if count and (scale := float(np.median(scales))) > ENLARGED:
            found.append(
                f"the calibration images are enlarged {scale:.1f} times to the model's {size}: use larger ones"
            )
        if count and (cover := float(np.median(covers))) < COVERED:
            found.append(f"the calibration images cover {cover:.0%} of the model's {size}, the rest is grey padding")
        return found

    def write(
        self, folder: Path, *, canvas: Canvas, colour: str = "RGB", progress: Progress | None = None
    ) -> Letterboxed:
        """Lay every image into the model's input, and that into `folder`.

        Args:
            folder: an existing, empty folder.
            canvas: the model's input.
            colour: see image.as_seen().
            progress: told how far it is.

        Raises:
            CalibrationError: an image cannot be read.
            OutputError: the folder cannot be written.
        """
        digest = hashlib.sha256()
        names: list[str] = []
        for number, image in enumerate(self.frames()):
            canvas.fill(image)
            pixels = canvas.pixels
            digest.update(pixels.tobytes())
            name = f"{number:05d}.npy"
            with writing(folder / name):
                np.save(folder / name, as_batch(pixels, colour))
            names.append(name)
            if progress:
                progress("calibration images", (number + 1) / max(len(self.images), number + 1))
        if not names:
            raise CalibrationError(f"no frame of {self.source} can be read")
        listing = folder / "dataset.txt"
        with writing(listing):
            listing.write_text("".join(f"{name}\n" for name in names))
        return Letterboxed(listing, len(names), digest.hexdigest())
