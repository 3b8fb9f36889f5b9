"""Write files whole or not at all."""

from __future__ import annotations

import codecs
import contextlib
import errno
import fcntl
import hashlib
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from yolorknn.errors import ModelError, OutputError
from yolorknn.scratch import temporary_file, temporary_folder
from yolorknn.text import reason_of

LONGEST_LINE = 4096
"""Characters that first_line() reads."""


@contextlib.contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Yield a temporary name beside `path`, and rename it to `path` when the block ends well; else remove it.

    The temporary name keeps the suffix, by which OpenCV and others choose a format.

    Raises:
        OutputError: the folder cannot be written, or the disk is full.
    """
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary_file(path.parent, path.suffix) as temporary:
            yield temporary
            os.replace(temporary, path)


@contextlib.contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary folder beside `path`, and rename it to `path` when the block ends well; else remove it.

    Raises:
        OutputError: it cannot be written, or there is something at `path` that is no empty folder.
    """
    with writing(path), temporary_folder("made", parent=path.parent, mode=0o777) as temporary:
        yield temporary
        os.replace(temporary, path)


def open_log(path: Path, *, empty: bool = False) -> BinaryIO:
    """Open a file to add to; a link in its place goes, as what it names is not ours.

    Args:
        path: the file; made if it is absent.
        empty: drop what it has.

    Raises:
        OSError: it cannot be written.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC | (os.O_TRUNC if empty else 0)
    try:
        descriptor = os.open(path, flags, 0o666)
    except OSError as exc:
        if exc.errno != errno.ELOOP or not path.is_symlink():
            raise
        path.unlink()
        descriptor = os.open(path, flags | os.O_EXCL, 0o666)
    return os.fdopen(descriptor, "ab")


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn the operating system's refusal to write `path` into an OutputError."""
    try:
        yield
    except BrokenPipeError:  # of `| head`: no error of ours
        raise
    except OSError as exc:
        raise OutputError(f"cannot write {path}: {reason_of(exc)}") from exc


def check_apart(outputs: Iterable[Path], inputs: Iterable[Path]) -> None:
    """Refuse to write over what is read, by whatever name.

    Raises:
        OutputError: an output is an input.
    """
    read = {key for path in inputs if (key := identity_of(path)) is not None}
    for path in outputs:
        if identity_of(path) in read:
            raise OutputError(f"{path} is read, so nothing is written to it: give another folder or name for results")


def identity_of(path: Path) -> tuple[int, int] | None:
    """Return what is the same of a file by whatever name; None where there is none."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        return None
    return (found.st_dev, found.st_ino)


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
        with temporary_file(folder, "") as probe:
            probe.write_bytes(b"\0")


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


def check_model_file(path: Path) -> None:
    """Refuse a model that is not there.

    Raises:
        ModelError: there is no such file, or it is a folder.
    """
    if not is_file(path):
        raise ModelError(f"{path} is a folder, not a model" if is_folder(path) else f"there is no model file {path}")


def sha256(*paths: Path) -> str:
    """Return the hex digest of a file's content, or of several one after the other."""
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def hold(file: BinaryIO | int) -> bool:
    """Have an open file's lock until it is closed, or this process ends; return whether no other process has it.

    A file system without locks gives it to each.
    """
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        pass
    return True


def state_folder() -> Path:
    """Return where a program of this user keeps what it is to remember: of a systemd service its own.

    Raises:
        OutputError: the user has no home, as in containers, and nothing says where else.
    """
    given = os.environ.get("STATE_DIRECTORY", "").split(":")[0]
    if given:
        return Path(given)
    try:
        home = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state"
    except RuntimeError as exc:
        raise OutputError("this user has no home to remember things in: set STATE_DIRECTORY to a folder") from exc
    return Path(home) / "yolorknn"


def first_line(path: Path) -> str:
    """Return the first line of a text file in UTF-8, without blanks around it; a longer one is cut off.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no text, or no file can have its name.
    """
    with path.open(encoding="utf-8") as opened:
        return opened.readline(LONGEST_LINE).strip()


def read_secret(text: str, option: str) -> str:
    """Return what `option` was given, or of @FILE its first line, so that no list of processes shows it.

    Raises:
        OutputError: the file cannot be read.
    """
    if not text.startswith("@"):
        return text
    try:
        line = first_line(Path(text[1:]))
    except (OSError, ValueError) as exc:
        raise OutputError(f"cannot read {text[1:]} of {option}: {reason_of(exc)}") from exc
    if not line:
        raise OutputError(f"{text[1:]} of {option} has nothing in its first line")
    return line


def decoded(data: bytes) -> str:
    """Return a text file's content as any system writes it: UTF-8, UTF-16 with its mark, or else Windows' cp1252.

    Raises:
        UnicodeDecodeError: it is no text.
    """
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        if b"\0" in data:
            raise
        return data.decode("cp1252")


def file_names(data: bytes) -> list[tuple[str, ...]]:
    """Return the lines of a list of files: each as any system may have meant it, the likeliest first.

    Names are bytes, which may be no text, or have what is an end of a line in Unicode alone.

    Raises:
        UnicodeDecodeError: it is no text.
    """
    texts = [decoded(data)]
    if b"\0" not in data:  # nor UTF-16
        texts.append(os.fsdecode(data))
    lines = zip(*(re.split(r"\r\n|\r|\n", text) for text in texts), strict=True)
    return [tuple(dict.fromkeys(name.strip() for name in names)) for names in lines]
