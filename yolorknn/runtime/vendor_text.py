"""What the vendor's code logs and writes to stderr while it works: for our errors, not the terminal."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TextIO, cast

VENDOR_LOGGER = "acuityLogger"
"""The wheel's; librknnrt itself has stderr only."""


class _ThreadLog(logging.Filter):
    """Keeps what one thread logs, and lets nothing of it through to the vendor's own handler."""

    def __init__(self) -> None:
        super().__init__()
        self._thread = threading.get_ident()
        self.lines: list[str] = []

    def filter(self, record: logging.LogRecord) -> bool:
        if record.thread != self._thread:
            return True
        if len(self.lines) < 100:
            self.lines += record.getMessage().splitlines()  # a traceback is one record
        return False


@contextlib.contextmanager
def heard_log() -> Iterator[Callable[[], str]]:
    """Listen to the vendor's logger; what is yielded tells, afterwards, what this thread was told."""
    heard = _ThreadLog()
    logger = logging.getLogger(VENDOR_LOGGER)
    logger.addFilter(heard)
    try:
        yield lambda: _sentence(heard.lines) or "the vendor's runtime gave no reason"
    finally:
        logger.removeFilter(heard)


_stderr_lock = threading.Lock()


@dataclass(frozen=True, eq=False)  # of the next catch the same descriptor may be the copy
class _Kept:
    """The real stderr; a program may have none."""

    descriptor: int | None
    stream: TextIO | None
    """Python's."""
    process: int


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
    sys.stderr = cast(TextIO, kept.stream)
    if kept.descriptor is None:
        os.close(2)
    else:
        os.dup2(kept.descriptor, 2)
        os.close(kept.descriptor)
    _stderr_lock.release()


@contextlib.contextmanager
def vendor_text() -> Iterator[Callable[[], str]]:
    """Catch what Python and native code write to stderr while a model is opened, and what is logged."""
    with heard_log() as said, caught_stderr() as written:
        yield lambda: "; ".join(dict.fromkeys(filter(None, [written(), said()])))


@contextlib.contextmanager
def caught_stderr() -> Iterator[Callable[[], str]]:
    """Catch what Python and native code write to stderr; what is yielded tells, afterwards, its sentence or ""."""
    lines: list[str] = []
    with _file() as caught:
        kept = _take(caught)
        try:
            yield lambda: _sentence(lines)
        finally:
            _give_back(kept)
            caught.seek(0)
            lines += caught.read().splitlines()


def _file() -> TextIO:
    """Return a file in memory, where Python has such: on a full disk a model must still open."""
    if not hasattr(os, "memfd_create"):
        return cast(TextIO, tempfile.TemporaryFile("w+", buffering=1, errors="replace"))
    return os.fdopen(os.memfd_create("stderr"), "w+", buffering=1, errors="replace")


def _take(caught: TextIO) -> _Kept:
    """Have stderr written there, and return the real one."""
    for kept in _kept.copy():
        if kept.process != os.getpid():  # the thread that caught it is not in this one, which was forked
            _give_back(kept)
    _stderr_lock.acquire()
    try:
        with contextlib.suppress(AttributeError, OSError, ValueError):  # there is none, or nobody reads it
            sys.stderr.flush()
        kept = _Kept(_copied(2), sys.stderr, os.getpid())
        os.dup2(caught.fileno(), 2)
    except BaseException:
        _stderr_lock.release()
        raise
    _kept.append(kept)
    sys.stderr = caught  # where it is not descriptor 2, as in a notebook
    return kept


def _copied(descriptor: int) -> int | None:
    try:
        return os.dup(descriptor)
    except OSError:  # it is closed
        return None


def _sentence(lines: list[str]) -> str:
    """Return the last line that tells of an error, else the last line."""
    said = [line.strip() for line in lines if line.strip()]
    errors = [line for line in said if "E " in line[:12] or "rror" in line]
    return (errors or said or [""])[-1].removeprefix("Exception: ").removeprefix("E ")
