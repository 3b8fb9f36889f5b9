"""The one door to frames: what the user named, as a source."""

from __future__ import annotations

import glob
from collections.abc import Iterable
from pathlib import Path

from yolorknn.errors import MissingDependencyError, SourceError
from yolorknn.files import first_line, is_file, is_folder
from yolorknn.image import IMAGE_SUFFIXES, Image
from yolorknn.progress import tell_once
from yolorknn.stream.sources.camera_names import camera_name, device_of
from yolorknn.stream.sources.capture import Capture, open_camera, open_stream, open_video
from yolorknn.stream.sources.images import ImageFiles, Images
from yolorknn.stream.sources.polled import Polled
from yolorknn.stream.sources.pyav import PyAvStream
from yolorknn.stream.sources.source import Source
from yolorknn.text import reason_of

PATIENCE = 5.0
"""Seconds that a camera or stream may be without a frame."""
GET = "pip install av"


def open_source(source: str | Path | int | Iterable[Image] | Source) -> Source:
    """Open what the user named; a camera or stream once, so that it fails when that is lost.

    Args:
        source: an image, folder, glob, video, "camera0", 0, "/dev/video0", a stream's URL, "@FILE" that holds one of
            these, so that no list of processes shows a URL's password, an iterable of images, or a source of one's own.

    Raises:
        SourceError: absent, unreadable, or not such a thing.
        ValueError: of another type, or one image that is no file: iterated over are its rows.
    """
    if not isinstance(source, (str, Path, int)):
        return source if isinstance(source, Source) else Images(source)
    text = kept_source(str(source))
    if is_live(text):
        return open_connection(text, patience=PATIENCE)
    path = Path(text)
    if is_folder(path):
        try:
            shown = (entry for entry in path.iterdir() if not entry.name.startswith("."))  # as of a glob
            images = sorted(entry for entry in shown if _is_image(entry))
        except OSError as exc:
            raise SourceError(f"cannot read the folder {path}: {reason_of(exc)}") from exc
        return _images(images, path.resolve().name, f"the folder {path} has no images")
    if not is_file(path) and glob.has_magic(text):
        images = sorted(entry for entry in map(Path, glob.glob(text, recursive=True)) if _is_image(entry))
        return _images(images, "images", f"no image matches {text}")
    if not is_file(path):
        raise SourceError(f"there is no file {path}: give an image, folder, glob, video, camera0 or a stream's URL")
    if _is_image(path):
        return ImageFiles([path], path.stem)
    return open_video(path)


def open_connection(
    source: str,
    *,
    patience: float,
    fps: float | None = None,
    size: tuple[int, int] | None = None,
    silence: float = PATIENCE,
    again: bool = False,
) -> Source:
    """Open a camera or stream once.

    Args:
        source: of which is_live() is true.
        patience: seconds that its read() waits for a good frame.
        fps: the most frames a second that are wanted; None for all.
        size: width and height in pixels that a USB camera is asked for.
        silence: seconds without a frame after which it is lost; see PyAvStream.
        again: whether to ask for a picture again and again that says that it is all.

    Raises:
        SourceError: it cannot be opened, or is not such a thing.
    """
    text = kept_source(source)
    if (device := device_of(text)) is not None:
        return open_camera(device, name=camera_name(text), fps=fps, size=size, patience=patience)
    if "://" not in text:
        raise SourceError(f"{source} is no camera or stream: give camera0, /dev/video0 or a stream's URL")
    try:
        stream = PyAvStream(text, fps=fps, patience=patience, silence=silence)
    except MissingDependencyError:
        tell_once(f"OpenCV reads network streams, damaged pictures as if they were good: to have them left out, {GET}")
        return open_stream(text)
    if not stream.single or (stream.ends and not again):
        return stream
    return Polled(lambda: PyAvStream(text, patience=patience, silence=silence), stream, fps=fps, patience=patience)


def has_many_frames(source: str) -> bool:
    """Tell by its name whether a source has many frames, all there already: no camera or stream, nor a single image.

    Raises:
        SourceError: the file of @FILE cannot be read.
    """
    text = kept_source(source)
    if is_live(text):
        return False
    return is_folder(Path(text)) or glob.has_magic(text) or not _is_image(Path(text))


def is_live(source: str) -> bool:
    """Tell by its name whether a source is a camera or stream; of what stands in @FILE too.

    Raises:
        SourceError: that file cannot be read.
    """
    source = kept_source(source)
    return device_of(source) is not None or "://" in source


def is_separate(source: str) -> bool:
    """Tell by its name whether a source is images that do not follow one another: a folder, a glob, or a single one."""
    if source.startswith("@") or is_live(source):
        return False
    path = Path(source)
    return is_folder(path) or _is_image(path) or (not is_file(path) and glob.has_magic(source))


def files_of(source: Source) -> list[Path]:
    """Return the files that a source reads."""
    return source.paths if isinstance(source, ImageFiles) else source.files if isinstance(source, Capture) else []


def kept_source(source: str) -> str:
    """Return the source that a file holds in its first line, where "@FILE" is given; else what is given.

    Raises:
        SourceError: that file cannot be read, or holds none.
    """
    if not source.startswith("@") or is_file(Path(source)):
        return source
    file = Path(source[1:])
    try:
        line = first_line(file)
    except (OSError, ValueError) as exc:
        raise SourceError(f"cannot read the source in {file}: {reason_of(exc)}") from exc
    if not line or line.startswith("@"):
        raise SourceError(f"{file} holds no source in its first line")
    return line


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in IMAGE_SUFFIXES


def _images(paths: list[Path], name: str, failure: str) -> Source:
    if not paths:
        raise SourceError(f"{failure} ({', '.join(sorted(IMAGE_SUFFIXES))})")
    return ImageFiles(paths, name)
