"""BackendPool: lends each backend to one thread at a time."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from yolorknn.backends import Backend
from yolorknn.errors import BackendError


class BackendPool:
    """Owner of the backends. A borrower has one for itself; the vendor's contexts mix up two threads' results."""

    def __init__(self, backends: Sequence[Backend]) -> None:
        if not backends:
            raise ValueError("a pool needs at least one backend")
        self._all = tuple(backends)
        self._idle = list(range(len(self._all)))
        self._closed = False
        self._changed = threading.Condition()
        self._queue: deque[object] = deque()
        self._busy = dict.fromkeys(range(len(self._all)), 0.0)

    def __len__(self) -> int:
        return len(self._all)

    @property
    def closed(self) -> bool:
        """Whether close() was called."""
        return self._closed

    @property
    def busy(self) -> tuple[float, ...]:
        """Seconds that each backend has been lent for."""
        return tuple(self._busy.values())

    @contextmanager
    def lend(self) -> Iterator[Backend]:
        """Wait for an idle backend and hold it for the length of the block; who came first is served first.

        Raises:
            BackendError: the pool is closed.
        """
        number = self._take()
        start = time.perf_counter()
        try:
            yield self._all[number]
        finally:
            with self._changed:
                self._busy[number] += time.perf_counter() - start
                self._idle.append(number)
                self._changed.notify_all()

    def _take(self) -> int:
        ticket = object()
        with self._changed:
            self._queue.append(ticket)
            try:
                self._changed.wait_for(lambda: self._closed or (self._idle and self._queue[0] is ticket))
                if self._closed:
                    raise BackendError("the detector is closed")
                return self._idle.pop(0)  # the one that has rested longest, so that the cores share the work
            finally:
                self._queue.remove(ticket)
                self._changed.notify_all()

    def close(self) -> None:
        """Wait until everything is given back, then close every backend; a second call does nothing."""
        with self._changed:
            first = not self._closed
            self._closed = True
            self._changed.notify_all()
            while first and len(self._idle) < len(self._all):
                self._changed.wait()
        if first:
            for backend in self._all:
                backend.close()
