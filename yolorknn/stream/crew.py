"""Threads that share a lock, joined also by one that has it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any


class Crew:
    """Threads that share a lock.

    Args:
        lock: a threading.RLock.
        targets: what each does, and its name.
    """

    def __init__(self, lock: Any, targets: Sequence[tuple[str, Callable[[], None]]]) -> None:
        self._ended = threading.Condition(lock)
        self._through: set[threading.Thread] = set()
        """Those that need the lock no more."""
        # Daemons, so that an interpreter that exits in the middle reaches the finalizer, which joins them.
        self.threads = [
            threading.Thread(target=self._live, args=(target,), name=f"yolorknn-{name}", daemon=True)
            for name, target in targets
        ]

    def start(self) -> None:
        """Start all; RuntimeError where the system gives no more threads."""
        for thread in self.threads:
            thread.start()

    def _live(self, target: Callable[[], None]) -> None:
        try:
            target()
        finally:
            with self._ended:
                self._through.add(threading.current_thread())
                self._ended.notify_all()

    def join(self, thread: threading.Thread, seconds: float) -> bool:
        """Wait for a thread's end; return whether it came in time, or the thread was never started.

        The wait gives up the lock, which its caller has where it is a signal's handler that interrupted what holds it.
        """
        if not thread.ident:
            return True
        with self._ended:
            if not self._ended.wait_for(lambda: thread in self._through, seconds):
                return False
        thread.join()
        return True
