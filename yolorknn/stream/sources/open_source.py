"""The one door to frames: what the user named, as a source."""

from __future__ import annotations

import glob
import re
from collections.abc import Iterable
from pathlib import Path

from yolorknn.errors import SourceError
from yolorknn.files import is_file, is_folder
from yolorknn.image import IMAGE_SUFFIXES, Image
from yolorknn.stream.sources.capture import Capture, open_camera, open_stream, open_video
from yolorknn.stream.sources.images import ImageFiles, Images
from yolorknn.stream.sources.source import Source

MOST_CHARACTERS = 4096
"""Of a source that stands in a file."""


def open_source(source: str | Path | int | Iterable[Image]) -> Source:
    """Open what the user named.

    Args:
        source: an image, folder, glob, video, "camera0", 0, "/dev/video0", a stream's URL, "@FILE" that holds one of
            these, so that no list of processes shows a URL's password, or an iterable of images.

    Raises:
        SourceError: absent, unreadable, or not such a thing.
    """
    if not isinstance(source, (str, Path, int)):
        return Images(source)
    text = str(source)
    if text.startswith("@") and not is_file(Path(text)):
        text = _kept(Path(text[1:]))
    if camera := re.fullmatch(r"(?:camera|/dev/video)?(\d{1,4})", text, re.ASCII):
        return open_camera(int(camera[1]))
    if "://" in text:
        return open_stream(text)
    path = Path(text)
    if is_folder(path):
        try:
            images = sorted(entry for entry in path.iterdir() if _is_image(entry))
        except OSError as exc:
            raise SourceError(f"cannot read the folder {path}: {exc.strerror or exc}") from exc
        return _images(images, path.resolve().name, f"the folder {path} has no images")
    if not is_file(path) and glob.has_magic(text):
        images = sorted(entry for entry in map(Path, glob.glob(text, recursive=True)) if _is_image(entry))
        return _images(images, "images", f"no image matches {text}")
    if not is_file(path):
        raise SourceError(f"there is no file {path}: give an image, folder, glob, video, camera0 or a stream's URL")
    if _is_image(path):
        return ImageFiles([path], path.stem)
    return open_video(path)


def has_many_frames(source: str) -> bool:
    """Tell by its name whether a source has many frames, all there already: no camera or stream, nor a single image."""
    named = re.fullmatch(r"(?:camera|/dev/video)?\d{1,4}", source, re.ASCII) or "://" in source
    return not named and (is_folder(Path(source)) or glob.has_magic(source) or not _is_image(Path(source)))


def is_live(source: str) -> bool:
    """Tell by its name whether a source is a camera or stream; of what stands in @FILE too.

    Raises:
        SourceError: that file cannot be read.
    """
    if source.startswith("@") and not is_file(Path(source)):
        source = _kept(Path(source[1:]))
    return bool(re.fullmatch(r"(?:camera|/dev/video)?\d{1,4}", source, re.ASCII)) or "://" in source


def files_of(source: Source) -> list[Path]:
    """Return the files that a source reads."""
    return source.paths if isinstance(source, ImageFiles) else source.files if isinstance(source, Capture) else []


def _kept(file: Path) -> str:
    """Return the source that a file holds in its first line."""
    try:
        with file.open(encoding="utf-8") as opened:
            line = opened.readline(MOST_CHARACTERS).strip()
    except (OSError, ValueError) as exc:
        raise SourceError(f"cannot read the source in {file}: {getattr(exc, 'strerror', None) or exc}") from exc
    if not line or line.startswith("@"):
        raise SourceError(f"{file} holds no source in its first line")
    return line


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in IMAGE_SUFFIXES


def _images(paths: list[Path], name: str, failure: str) -> Source:
    if not paths:
        raise SourceError(f"{failure} ({', '.join(sorted(IMAGE_SUFFIXES))})")
    return ImageFiles(paths, name)
