"""A file of lines that is whole at any moment, also when the process is killed or the disk is full; it can rotate."""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from yolorknn.errors import OutputError
from yolorknn.files import hold, writing

_CHUNK = 1 << 16
_LONGEST = 1 << 24
"""Bytes of a line that are looked at."""
_OPEN: Counter[tuple[int, int]] = Counter()
"""What this process has open, by what is the same of a file whatever its name; it may begin its own anew."""


@dataclass(frozen=True)
class Rotation:
    """When a file makes room for a new one: it becomes FILE.1, what was that FILE.2, and the oldest goes.

    Raises:
        ValueError: a number that is none of these.
    """

    size: int | None = None
    """Bytes that a file has at most; a single larger write has a file of its own."""
    age: float | None = None
    """Seconds from its first line, also an earlier run's; from opening a file that does not say when that was."""
    keep: int = 9
    """Files beside the one that is written."""

    def __post_init__(self) -> None:
        if (self.size is not None and self.size < 1) or (self.age is not None and not self.age > 0) or self.keep < 0:
            raise ValueError(f"size and age are above 0 and keep is 0 or more, not {self}")


class LineFile:
    """Appends lines, each write at once.

    After SIGKILL all lines that have their end are whole; one that has none is cut off when the file is appended to,
    once it is known that the file is of this kind: what is another's is refused, and stays as it is.
    What cannot be written whole is taken back, and the next write opens the file anew; so it does where the file was
    renamed, removed or cut short by others, as logrotate does. None begins anew what another process writes.

    Raises:
        OutputError: it cannot be written, or appended to, or begun anew.
    """

    def __init__(
        self,
        path: Path,
        *,
        append: bool = False,
        rotation: Rotation | None = None,
        header: bytes = b"",
        ours: Callable[[bytes], bool] = lambda line: True,
        moment: Callable[[bytes], float | None] = lambda line: None,
    ) -> None:
        """Open the file.

        Args:
            path: its folder is made; a device or pipe is written as it is.
            append: whether what is there stays.
            rotation: default is one file, without bound.
            header: the first line of each file, with its end.
            ours: where there is no header, tells whether a line can be of such a file; one without its end is cut off.
            moment: when a line was written, in Unix seconds; None of one that does not say it.
        """
        self._path, self._rotation, self._header, self._ours = path, rotation, header, ours
        self._moment = moment
        self._file = -1
        self._size = 0
        self._opened = 0.0
        with writing(path):
            self._open(append=append)

    def write(self, lines: bytes) -> None:
        """Append whole lines, with their ends.

        Raises:
            OutputError: they cannot be written; none of them is there then.
        """
        with writing(self._path):
            if self._file >= 0 and self._is_other():
                self.close()
            if self._file < 0:
                self._open(append=True)
            if self._due(len(lines)):
                self._rotate()
            try:
                self._write(lines)
            except OSError:
                self._take_back()
                raise
            self._size += len(lines)

    def close(self) -> None:
        """Release the file.

        Raises:
            OutputError: the system could not store all of it.
        """
        if self._file >= 0:
            file, self._file = self._file, -1
            with writing(self._path):
                _close(file)

    def _open(self, *, append: bool) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND
        if self._path.exists() and not self._path.is_file():
            flags = os.O_WRONLY  # a pipe waits for its reader, and breaks without one
        file = os.open(self._path, flags | os.O_CLOEXEC, 0o666)
        self._file, self._size, self._opened = file, 0, time.monotonic()
        _OPEN[_key(file)] += 1
        try:
            if self._regular() and (end := self._shared(anew=not append)):
                self._size = _whole_lines(file, end)
                if not self._is_ours():
                    what = "columns" if self._header else "lines"
                    raise OutputError(f"cannot append to {self._path}: it has other {what}; give another name")
                if self._size < end:
                    os.ftruncate(file, self._size)
                self._opened -= self._age()
            if not self._size:
                self._write(self._header)
                self._size = len(self._header)
        except BaseException:
            self._file = -1
            _close(file)
            raise

    def _shared(self, *, anew: bool) -> int:
        """Have no other process begin the file anew, but first, with `anew`, this one; return how many bytes it has."""
        if anew:
            if _OPEN[_key(self._file)] == 1 and not hold(self._file):
                raise OutputError(f"another yolorknn writes {self._path}: give this one another file")
            os.ftruncate(self._file, 0)
        with contextlib.suppress(OSError):  # a file system without locks, or one that begins it anew in this moment
            fcntl.flock(self._file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return os.fstat(self._file).st_size

    def _regular(self) -> bool:
        return stat.S_ISREG(os.fstat(self._file).st_mode)

    def _is_other(self) -> bool:
        """Tell whether what is open is no more the file of this name, or was cut short."""
        own = os.fstat(self._file)
        if not stat.S_ISREG(own.st_mode):
            return False
        try:
            named = self._path.stat()
        except FileNotFoundError:
            return True
        return (own.st_dev, own.st_ino) != (named.st_dev, named.st_ino) or own.st_size < self._size

    def _is_ours(self) -> bool:
        """Tell whether what there is was written by one of this kind, by its header, or its first and last line."""
        first = _line_at(self._file, 0)
        if self._header:
            return first == self._header or (not self._size and self._header.startswith(first))
        if not self._ours(first):
            return False
        return not self._size or self._ours(_line_at(self._file, _whole_lines(self._file, self._size - 1)))

    def _age(self) -> float:
        """Return for how many seconds there has been the first line of an earlier run, which is not always known."""
        if self._rotation is None or self._rotation.age is None or self._size <= len(self._header):
            return 0.0
        moment = self._moment(_line_at(self._file, len(self._header)))
        return 0.0 if moment is None else max(0.0, time.time() - moment)

    def _write(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(self._file, rest) :]

    def _take_back(self) -> None:
        file, self._file = self._file, -1
        with contextlib.suppress(OSError):
            os.ftruncate(file, self._size)
        with contextlib.suppress(OSError):
            _close(file)

    def _due(self, more: int) -> bool:
        if self._rotation is None or self._size <= len(self._header) or not self._regular():
            return False
        size, age = self._rotation.size, self._rotation.age
        return (size is not None and self._size + more > size) or (
            age is not None and time.monotonic() - self._opened >= age
        )

    def _rotate(self) -> None:
        """Rename the files, the oldest first, so that none is overwritten where this is cut short."""
        assert self._rotation is not None
        file, self._file = self._file, -1
        _close(file)
        last = 0
        while (older := self._numbered(last + 1)).exists():
            last += 1
            if last > self._rotation.keep:
                older.unlink()
        for number in range(min(last, self._rotation.keep), -1, -1):
            if number == self._rotation.keep:
                self._numbered(number).unlink()
            else:
                os.replace(self._numbered(number), self._numbered(number + 1))
        self._open(append=True)  # there is none, but one that another process has begun just now

    def _numbered(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}") if number else self._path


def _key(file: int) -> tuple[int, int]:
    found = os.fstat(file)
    return found.st_dev, found.st_ino


def _close(file: int) -> None:
    try:
        _OPEN.subtract([key := _key(file)])
        if not _OPEN[key]:
            del _OPEN[key]
    finally:  # also of a share that is gone, which does not say what file it was
        os.close(file)


def _whole_lines(file: int, end: int) -> int:
    """Return how many bytes of a file, of those before `end`, are lines with an end."""
    while end:
        begin = max(0, end - _CHUNK)
        found = os.pread(file, end - begin, begin).rfind(b"\n")
        if found >= 0:
            return begin + found + 1
        end = begin
    return 0


def _line_at(file: int, begin: int) -> bytes:
    with open(file, "rb", closefd=False) as opened:
        opened.seek(begin)
        return opened.readline(_LONGEST)
