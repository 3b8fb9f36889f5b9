"""A thread's right to speak for a source."""

from __future__ import annotations

import threading
import time


class Turn:
    """One thread's right to speak for the source, which it loses when it hangs."""

    def __init__(self) -> None:
        self.busy, self.since = True, time.monotonic()  # in a call, which began then
        self.thread: threading.Thread | None = None

    def begin_call(self) -> None:
        """Note that a call that may not return begins."""
        self.since, self.busy = time.monotonic(), True
