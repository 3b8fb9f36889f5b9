"""stderr while a model is opened: what native code writes there is for our errors, not the terminal.

It is one for the whole process, whose other threads go on meanwhile: what they write goes where it belongs.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import BinaryIO, TextIO, cast

from yolorknn.runtime.stderr_apart import Apart, Real, write_all

_locks: dict[int, threading.Lock] = {}
"""By process: held while it catches stderr. One that is forked has not the thread that would let go of it."""
_VENDORS = re.compile(r"\s*([EWIDV] |RKNN|rknn|librknn|rknpu|RGA|--> |[Ff]ailed to |[Cc]an ?not |Can not )")
"""How lines of the vendor's code begin."""


@dataclass(eq=False)
class _Kept:
    """The real stderr; a program may have none."""

    real: Real | None
    """Descriptor 2's, until it is given back."""
    stream: TextIO | None
    """Python's."""
    process: int
    caught: BinaryIO
    apart: Apart
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


def _lock() -> threading.Lock:
    return _locks.setdefault(os.getpid(), threading.Lock())


def _give_back(kept: _Kept) -> None:
    try:
        _kept.remove(kept)  # the first to come does it
    except ValueError:
        return
    kept.apart.end()
    if sys.stderr is kept.apart:
        sys.stderr = cast(TextIO, kept.stream)
    real, kept.real = kept.real, None
    if real is None:
        os.close(2)
    else:
        os.dup2(real.descriptor, 2)
    if kept.process == os.getpid():
        _lock().release()
        _pass_on(kept, there=real is not None)


def _pass_on(kept: _Kept, *, there: bool) -> None:
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
    if others and there:
        write_all(2, "".join(others).encode("utf-8", "replace"))


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
    """Return a file in memory, where Python has such: on a full disk a model must still open.

    Threads that write to it at once append: in memory Linux does not hold its position for one after the other.
    """
    if not hasattr(os, "memfd_create"):
        return cast(BinaryIO, tempfile.TemporaryFile(buffering=0))
    descriptor = os.memfd_create("stderr")
    fcntl.fcntl(descriptor, fcntl.F_SETFL, os.O_RDWR | os.O_APPEND)
    return os.fdopen(descriptor, "wb", buffering=0)


def _take(caught: BinaryIO) -> _Kept:
    """Have stderr written there, and return the real one."""
    for kept in _kept.copy():
        if kept.process != os.getpid():  # the thread that caught it is not in this one, which was forked
            _give_back(kept)
    _lock().acquire()
    try:
        with contextlib.suppress(AttributeError, OSError, ValueError):  # there is none, or nobody reads it
            sys.stderr.flush()
        real = _copied(2)
        kept = _Kept(real, sys.stderr, os.getpid(), caught, Apart(sys.stderr, real))
        os.dup2(caught.fileno(), 2)
    except BaseException:
        _lock().release()
        raise
    _kept.append(kept)
    sys.stderr = cast(TextIO, kept.apart)  # where it is not descriptor 2, as in a notebook
    return kept


def _copied(descriptor: int) -> Real | None:
    try:
        return Real(os.dup(descriptor))
    except OSError as exc:
        if exc.errno != errno.EBADF:
            raise
        return None  # it is closed


def sentence_of(lines: list[str]) -> str:
    """Return the last line that tells of an error, else the last line."""
    said = [line.strip() for line in lines if line.strip()]
    errors = [line for line in said if "E " in line[:12] or "rror" in line]
    return (errors or said or [""])[-1].removeprefix("Exception: ").removeprefix("E ")
