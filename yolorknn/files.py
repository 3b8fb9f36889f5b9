"""Write files whole or not at all."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from yolorknn.errors import OutputError


@contextlib.contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Yield a temporary name beside `path`, and rename it to `path` when the block ends well; else remove it.

    The temporary name keeps the suffix, by which OpenCV and others choose a format.

    Raises:
        OutputError: the folder cannot be written, or the disk is full.
    """
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.tmp{path.suffix}")
    try:
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            yield temporary
            os.replace(temporary, path)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn the operating system's refusal to write `path` into an OutputError."""
    try:
        yield
    except BrokenPipeError:  # of `| head`: no error of ours
        raise
    except OSError as exc:
        raise OutputError(f"cannot write {path}: {exc.strerror or exc}") from exc


def write_bytes(path: Path, data: bytes) -> None:
    """Write a whole file.

    Raises:
        OutputError: the folder cannot be written, or the disk is full.
    """
    with atomic(path) as temporary:
        temporary.write_bytes(data)


def check_folder(folder: Path) -> None:
    """Make the folder if needed and try to write in it, so that a long job does not fail at its end.

    Raises:
        OutputError: it cannot be made or written.
    """
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".yolorknn.{os.getpid()}.tmp"
        try:
            probe.write_bytes(b"\0")
        finally:
            probe.unlink(missing_ok=True)


def is_file(path: Path) -> bool:
    """Tell whether there is a file of this name, or a device or pipe; of a name that no file can have there is none."""
    try:
        return path.exists() and not path.is_dir()
    except (OSError, ValueError):
        return False


def is_folder(path: Path) -> bool:
    """Tell whether there is a folder of this name; of a name that none can have there is none."""
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def sha256(path: Path) -> str:
    """Return the hex digest of a file's content."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
