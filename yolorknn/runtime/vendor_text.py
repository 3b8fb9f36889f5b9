"""What the vendor's code logs and writes to stderr while it works: for our errors, not the terminal."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Iterator

from yolorknn.runtime.stderr import caught_stderr, sentence_of

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
        yield lambda: sentence_of(heard.lines) or "the vendor's runtime gave no reason"
    finally:
        logger.removeFilter(heard)


@contextlib.contextmanager
def vendor_text() -> Iterator[Callable[[], str]]:
    """Catch what Python and native code write to stderr while a model is opened, and what is logged."""
    with heard_log() as said, caught_stderr() as written:
        yield lambda: "; ".join(dict.fromkeys(filter(None, [written(), said()])))
