"""stderr while a model is opened: what native code writes there is for our errors, not the terminal.

It is one for the whole process, whose other threads go on meanwhile: what they write goes where it belongs.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import re
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO, TextIO, cast

_lock = threading.Lock()
_VENDORS = re.compile(r"\s*([EWIDV] |RKNN|rknn|librknn|rknpu|RGA|--> |[Ff]ailed to |[Cc]an ?not |Can not )")
"""How lines of the vendor's code begin."""


class _Apart(io.TextIOBase):
    """Python's stderr while it is caught: what other threads write goes where it went before.

    Args:
        stream: that was Python's; None in a program without.
        real: descriptor 2 as it was; None where it was closed.
    """

    def __init__(self, stream: TextIO | None, real: io.FileIO | None) -> None:
        self._stream: Any = getattr(stream, "rich_proxied_file", stream)  # a bar's writes to sys.stderr itself
        self._real, self._thread = real, threading.get_ident()
        self._mine = io.TextIOWrapper(io.BytesIO(), "utf-8", errors="replace", write_through=True)
        self.over = False
        """Whether it has been given back: whoever kept this goes on with it."""

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return str(getattr(self._stream, "encoding", None) or "utf-8")

    @property
    def buffer(self) -> Any:
        return self._there().buffer

    def write(self, text: str) -> int:
        there = self._there()
        if there is not None and (self.over or not _is_descriptor(there)):
            return int(there.write(text))
        try:
            _write(self._real, text.encode(self.encoding, "backslashreplace"))
        except ValueError:  # closed, as it has been given back just now
            there.write(text)
        return len(text)

    def flush(self) -> None:
        there = self._there()
        if there is not None and not getattr(there, "closed", False):  # Python flushes what is forgotten, also later
            there.flush()

    def isatty(self) -> bool:
        if self._real is not None and not self.over and _is_descriptor(self._stream):
            return self._real.isatty()
        return self._stream is not None and bool(self._stream.isatty())

    def fileno(self) -> int:
        return int(self._stream.fileno()) if self._stream is not None else 2

    def said(self) -> str:
        """Return what the thread that catches wrote."""
        return self._mine.buffer.getvalue().decode("utf-8", "replace")

    def _there(self) -> Any:
        """Return where this thread writes."""
        mine = threading.get_ident() == self._thread and not self.over
        return self._mine if mine else self._stream


def _is_descriptor(stream: Any) -> bool:
    """Tell whether a stream writes to descriptor 2; others, as a notebook's, do not."""
    try:
        return stream is not None and stream.fileno() == 2
    except (AttributeError, OSError, ValueError):
        return False


@dataclass(frozen=True, eq=False)
class _Kept:
    """The real stderr; a program may have none."""

    real: io.FileIO | None
    """Descriptor 2's."""
    stream: TextIO | None
    """Python's."""
    process: int
    caught: BinaryIO
    apart: _Apart
    """What is Python's meanwhile."""
    lines: list[str] = field(default_factory=list)
    """What was caught, once it is given back."""
    reading: threading.Lock = field(default_factory=threading.Lock)
    """Held while it is read or closed."""


_kept: list[_Kept] = []
"""While stderr is caught, and until someone gives it back."""


def give_back_stderr() -> None:
    """End the catching of stderr for a model whose opening hangs."""
    for kept in _kept.copy():
        _give_back(kept)


def _give_back(kept: _Kept) -> None:
    try:
        _kept.remove(kept)  # the first to come does it
    except ValueError:
        return
    kept.apart.over = True
    if sys.stderr is kept.apart:
        sys.stderr = cast(TextIO, kept.stream)
    if kept.real is None:
        os.close(2)
    else:
        os.dup2(kept.real.fileno(), 2)
        kept.real.close()
    _lock.release()
    if kept.process == os.getpid():
        _pass_on(kept)


def _pass_on(kept: _Kept) -> None:
    """Read what was caught, and write to stderr what others wrote, who hold its descriptor, as a log's handler does."""
    with kept.reading:
        if kept.caught.closed:  # the opening that seemed to hang has ended just now
            return
        descriptor = kept.caught.fileno()
        text = os.pread(descriptor, os.fstat(descriptor).st_size, 0).decode("utf-8", "replace")
    lines = [line for line in text.splitlines(keepends=True) if line.strip()]
    vendors = [line for line in lines if _VENDORS.match(line)]
    others = [line for line in lines if not _VENDORS.match(line)]
    kept.lines.extend([*vendors, *kept.apart.said().splitlines()] or others)
    if others and kept.real is not None:
        with contextlib.suppress(OSError), io.FileIO(2, "w", closefd=False) as real:
            _write(real, "".join(others).encode("utf-8", "replace"))


def _write(real: io.FileIO | None, data: bytes) -> None:
    with contextlib.suppress(OSError):  # nobody reads it
        while data and real is not None and (written := real.write(data)):
            data = data[written:]


@contextlib.contextmanager
def caught_stderr() -> Iterator[Callable[[], str]]:
    """Catch what this thread and native code write to stderr; what is yielded tells, afterwards, its sentence or "".

    What others write is given to stderr: at once, or where they hold its descriptor at the end. Where the process has
    as many files open as it may, nothing is caught.
    """
    kept = _begun()
    if kept is None:
        yield lambda: ""
        return
    try:
        yield lambda: sentence_of(kept.lines)
    finally:
        _give_back(kept)
        with kept.reading:
            kept.caught.close()


def _begun() -> _Kept | None:
    try:
        caught = _file()
    except OSError:
        return None
    try:
        return _take(caught)
    except BaseException as exc:
        caught.close()
        if isinstance(exc, OSError):
            return None
        raise


def _file() -> BinaryIO:
    """Return a file in memory, where Python has such: on a full disk a model must still open."""
    if not hasattr(os, "memfd_create"):
        return cast(BinaryIO, tempfile.TemporaryFile(buffering=0))
    return os.fdopen(os.memfd_create("stderr"), "wb", buffering=0)


def _take(caught: BinaryIO) -> _Kept:
    """Have stderr written there, and return the real one."""
    for kept in _kept.copy():
        if kept.process != os.getpid():  # the thread that caught it is not in this one, which was forked
            _give_back(kept)
    _lock.acquire()
    try:
        with contextlib.suppress(AttributeError, OSError, ValueError):  # there is none, or nobody reads it
            sys.stderr.flush()
        real = _copied(2)
        kept = _Kept(real, sys.stderr, os.getpid(), caught, _Apart(sys.stderr, real))
        os.dup2(caught.fileno(), 2)
    except BaseException:
        _lock.release()
        raise
    _kept.append(kept)
    sys.stderr = cast(TextIO, kept.apart)  # where it is not descriptor 2, as in a notebook
    return kept


def _copied(descriptor: int) -> io.FileIO | None:
    try:
        return io.FileIO(os.dup(descriptor), "w")
    except OSError as exc:
        if exc.errno != errno.EBADF:
            raise
        return None  # it is closed


def sentence_of(lines: list[str]) -> str:
    """Return the last line that tells of an error, else the last line."""
    said = [line.strip() for line in lines if line.strip()]
    errors = [line for line in said if "E " in line[:12] or "rror" in line]
    return (errors or said or [""])[-1].removeprefix("Exception: ").removeprefix("E ")
