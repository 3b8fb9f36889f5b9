"""Python's stderr while a model is opened: what other threads write to it goes where it went before."""

from __future__ import annotations

import contextlib
import io
import os
import threading
from typing import Any, TextIO


class Real:
    """Descriptor 2 as it was, closed with the last that refers to it.

    A thread that is about to write may come to it after it is given back, when its number may be another file's.
    """

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    def __del__(self) -> None:
        with contextlib.suppress(OSError):
            os.close(self.descriptor)


class Apart(io.TextIOBase):
    """Python's stderr while it is caught: what other threads write goes where it went before.

    Args:
        stream: that was Python's; None in a program without.
        real: descriptor 2 as it was; None where it was closed.
    """

    def __init__(self, stream: TextIO | None, real: Real | None) -> None:
        self._stream: Any = getattr(stream, "rich_proxied_file", stream)  # a bar's writes to sys.stderr itself
        self._real, self._thread = real, threading.get_ident()
        self._mine = io.TextIOWrapper(io.BytesIO(), "utf-8", errors="replace", write_through=True)
        self.over = False
        """Whether it has been given back."""

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """How text becomes bytes."""
        return str(getattr(self._stream, "encoding", None) or "utf-8")

    @property
    def buffer(self) -> Any:
        """What takes bytes."""
        return self._there().buffer

    def write(self, text: str) -> int:
        """Write to where this thread writes."""
        there, real = self._there(), self._real
        if there is not None and (self.over or not _is_descriptor(there)):
            return int(there.write(text))
        if real is not None:
            write_all(real.descriptor, text.encode(self.encoding, "backslashreplace"))
        return len(text)

    def flush(self) -> None:
        """Flush that."""
        there = self._there()
        if there is not None and not getattr(there, "closed", False):  # Python flushes what is forgotten, also later
            there.flush()

    def isatty(self) -> bool:
        """Tell whether stderr was a terminal."""
        if (real := self._real) is not None and _is_descriptor(self._stream):
            return os.isatty(real.descriptor)
        return self._stream is not None and bool(self._stream.isatty())

    def fileno(self) -> int:
        """Return the descriptor of Python's stderr."""
        return int(self._stream.fileno()) if self._stream is not None else 2

    def end(self) -> None:
        """Give it back: whoever kept this goes on with Python's stderr."""
        self.over, self._real = True, None

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


def write_all(descriptor: int, data: bytes) -> None:
    """Write all of it, as far as somebody reads it."""
    with contextlib.suppress(OSError):
        while data:
            data = data[os.write(descriptor, data) :]
