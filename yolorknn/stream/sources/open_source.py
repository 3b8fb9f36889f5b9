"""The one door to frames: what the user named, as a source."""

from __future__ import annotations

import glob
import re
from collections.abc import Iterable
from pathlib import Path

from yolorknn.errors import SourceError
from yolorknn.image import IMAGE_SUFFIXES, Image
from yolorknn.stream.sources.capture import open_camera, open_stream, open_video
from yolorknn.stream.sources.images import ImageFiles, Images
from yolorknn.stream.sources.source import Source


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
        return open_camera(int(camera[1]))
    if "://" in text:
        return open_stream(text)
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
    return open_video(path)


def is_recorded(source: str) -> bool:
    """Tell by its name whether a source has many frames, all there already: no camera or stream, nor a single image."""
    named = re.fullmatch(r"(?:camera|/dev/video)?\d+", source) or "://" in source
    return not named and (Path(source).is_dir() or glob.has_magic(source) or not _is_image(Path(source)))


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in IMAGE_SUFFIXES


def _images(paths: list[Path], name: str, failure: str) -> Source:
    if not paths:
        raise SourceError(f"{failure} ({', '.join(sorted(IMAGE_SUFFIXES))})")
    return ImageFiles(paths, name)
