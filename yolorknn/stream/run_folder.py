"""Where results go: the folder of one run of `detect`, and what no folder and no file of lines is called."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from yolorknn.files import check_folder, is_folder
from yolorknn.image import IMAGE_SUFFIXES, VIDEO_SUFFIXES

LINES = "detections.jsonl"
"""What the JSON lines are called there."""
_FILES = {".onnx", ".rknn", ".pt", ".torchscript", ".txt", ".csv", ".json", ".jsonl", ".yaml", ".yml", ".npz"}
"""Suffixes of what is read and written, beside those of pictures and videos."""


@contextlib.contextmanager
def run_folder(parent: Path, name: str | None, *, source: str) -> Iterator[Path]:
    """Make the folder of a run, and remove it if the run failed before its first frame.

    Args:
        parent: holds one folder a run.
        name: the folder; it may exist. Default: `source`, with a number if that exists.
        source: what the source is called.

    Raises:
        OutputError: the folder cannot be made or written.
    """
    # A camera may be called /dev/v4l/by-id/..., and its results are not to be there.
    folder = parent / name if name else _fresh(parent / source.strip("/").replace("/", "-"))
    made = [part for part in (folder, *folder.parents) if not part.exists()]
    try:
        check_folder(folder)
        if (folder / LINES).is_symlink():
            (folder / LINES).unlink()  # what it names is not of this run
        yield folder
    finally:
        _remove_if_empty(folder, made)


def _fresh(folder: Path) -> Path:
    """Return the path, or the first of path-2, path-3, ... that does not exist."""
    number, fresh = 2, folder
    while fresh.exists():
        fresh = folder.with_name(f"{folder.name}-{number}")
        number += 1
    return fresh


def _remove_if_empty(folder: Path, made: list[Path]) -> None:
    """Leave no trace of a run without frames; `made` are the folders it made, the innermost first."""
    lines = folder / LINES
    with contextlib.suppress(OSError):
        if lines.exists() and lines.stat().st_size == 0:
            lines.unlink()
        for part in made:
            part.rmdir()


def check_folder_name(folder: Path | None) -> None:
    """Refuse a folder that is not there and is called like a file: one was meant, and a folder would be made.

    Raises:
        ValueError: it is.
    """
    if folder and folder.suffix.lower() in {*_FILES, *IMAGE_SUFFIXES, *VIDEO_SUFFIXES} and not is_folder(folder):
        raise ValueError(f"'{folder}' is called like a file: give a folder, its files are named for you")


def check_lines_name(file: Path) -> None:
    """Refuse a file for JSON lines or CSV that is called like what they are made of, and so is mostly one.

    Raises:
        ValueError: it is.
    """
    if file.suffix.lower() in {*IMAGE_SUFFIXES, *VIDEO_SUFFIXES, ".onnx", ".rknn", ".pt"}:
        raise ValueError(f"{file} is called like a picture, video or model: give a file as found.jsonl for the lines")
