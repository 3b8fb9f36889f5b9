"""Numbered files of one name in a folder, within a quota: the oldest make room for new ones."""

from __future__ import annotations

import contextlib
import errno
import os
import re
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

from yolorknn.errors import OutputError
from yolorknn.files import hold, writing
from yolorknn.stream.result import Clock
from yolorknn.text import file_word

PART = ".part"
"""In the name of a file that is not finished, before its suffix."""
_STAMP = r"(?:\d{8}T\d{6}Z|\d{6,}s|unknown)"
"""What stamp() returns."""


def stamp(timestamp: float, clock: Clock) -> str:
    """Return a moment as a name has it: 20261126T184036Z, or of a video its seconds as 000061s."""
    if clock == "video":
        return f"{int(timestamp):06d}s"
    with contextlib.suppress(ValueError, OverflowError, OSError):
        return datetime.fromtimestamp(timestamp, timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    return "unknown"


class Shelf:
    """Gives files their names, NAME-000001-WHEN.mp4 and on, and removes the oldest above the quota.

    Only files of such names are counted and removed. The numbers go on where an earlier run ended, so that their order
    does not depend on a clock. While it is open no other process has a shelf of this name there.

    Raises:
        OutputError: the folder cannot be written, or another process has this shelf.
    """

    def __init__(
        self,
        folder: Path,
        name: str,
        suffixes: tuple[str, ...],
        *,
        quota: int,
        plays: Callable[[Path], bool] = lambda _: True,
    ) -> None:
        """Take the folder over.

        Args:
            folder: is made.
            name: with which all files begin; what is no letter, digit, dot or hyphen becomes a hyphen.
            suffixes: that they may have.
            quota: bytes of all together.
            plays: whether what a killed run did not finish is worth keeping; it gets its name then, else it goes.
        """
        if quota < 1:
            raise ValueError(f"a quota is above 0 bytes, not {quota}")
        name = file_word(name)
        self._folder, self._name, self._quota = folder, name, quota
        ends = "|".join(map(re.escape, suffixes))
        # What is between number and end is a stamp, or files of a camera called NAME-123456 would be NAME's too.
        rest = rf"{_STAMP}(?:-[\w.-]+?)?(?P<part>{re.escape(PART)})?(?:{ends})"
        self._ours = re.compile(rf"{re.escape(name)}-(\d{{6,12}})-{rest}")
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(folder / f".{name}.lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
            try:
                self._hold()
                self._kept = self._look(plays)
            except BaseException:
                os.close(self._lock)
                raise
        self._number = self._kept[-1][0] if self._kept else 0
        self._used = sum(size for _, _, size in self._kept)

    def begin(self, when: str, suffix: str, *, more: str = "") -> Path:
        """Return the next file's name while it is not finished; `more` is what its name says behind the time."""
        self._number += 1
        words = "-".join(word for word in (self._name, f"{self._number:06d}", when, more) if word)
        return self._folder / f"{words}{PART}{suffix}"

    def finish(self, path: Path) -> Path:
        """Give a file that begin() named its own name, once it is on the disk; return that.

        Raises:
            OutputError: the system refuses.
        """
        done = _finished(path)
        with writing(path):
            held = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.fsync(held)
                size = os.fstat(held).st_size
            finally:
                os.close(held)
            os.replace(path, done)
            _store_names(self._folder)
        self._kept.append((self._number, done, size))
        self._used += size
        self.make_room()
        return done

    def make_room(self, growing: Path | None = None) -> bool:
        """Remove the oldest files while all, with one that is being written, are above the quota.

        Returns:
            Whether that one should end, so that it does not take the room of all: it has a third of the quota.
        """
        more = 0
        if growing is not None:
            with contextlib.suppress(OSError):
                more = growing.stat().st_size
        self._trim(self._quota - more)
        return 3 * more >= self._quota

    def failed(self, exc: OutputError) -> None:
        """Where that is because the disk is full, remove the oldest tenth: what is new is worth more."""
        if getattr(exc.__cause__, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
            self._trim(int(0.9 * self._used) - 1)

    def _trim(self, most: int) -> None:
        while self._kept and self._used > most:
            _, path, size = self._kept.pop(0)
            with writing(path):
                path.unlink(missing_ok=True)  # somebody may have removed it
            self._used -= size

    def close(self) -> None:
        """Let another process have it."""
        os.close(self._lock)

    def _hold(self) -> None:
        if not hold(self._lock):
            raise OutputError(f"another yolorknn writes '{self._name}' to {self._folder}: give this one another folder")

    def _look(self, plays: Callable[[Path], bool]) -> list[tuple[int, Path, int]]:
        found = []
        for entry in self._folder.iterdir():
            match = self._ours.fullmatch(entry.name)
            if match is None or entry.is_symlink() or not entry.is_file():
                continue
            path = entry
            if match["part"]:
                if not plays(path):
                    path.unlink()
                    continue
                path = _finished(entry)
                os.replace(entry, path)
            found.append((int(match[1]), path, path.stat().st_size))
        return sorted(found)


def _finished(path: Path) -> Path:
    return path.with_name(path.name.removesuffix(PART + path.suffix) + path.suffix)


def _store_names(folder: Path) -> None:
    """Have the disk know what files are called, as it does their content."""
    held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with contextlib.suppress(OSError):  # a file system that cannot
            os.fsync(held)
    finally:
        os.close(held)
