"""Pool: lends each of several backends or sessions to one thread at a time."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Generic, Protocol, TypeAlias, TypeVar

from yolorknn.errors import BackendError, CoreDeadError
from yolorknn.runtime.backend import Backend

_logger = logging.getLogger(__name__)


class Closable(Protocol):
    """What a pool asks of what it lends."""

    def close(self) -> None:
        """Free what it holds; a second call does nothing."""


Lent = TypeVar("Lent", bound=Closable)


class Pool(Generic[Lent]):
    """Owner of what it lends. A borrower has one for itself; the vendor's contexts mix up two threads' results."""

    def __init__(self, backends: Sequence[Lent]) -> None:
        if not backends:
            raise ValueError("a pool needs at least one backend")
        self._all = tuple(backends)
        self._idle = list(range(len(self._all)))
        self._dead: list[str] = []
        self._closed = False
        self._changed = threading.Condition()
        self._queue: deque[object] = deque()
        self._busy = dict.fromkeys(range(len(self._all)), 0.0)
        on = [getattr(backend, "core", None) for backend in self._all]
        self._core = [number - len(self._all) if core is None else core for number, core in enumerate(on)]
        self._working = dict.fromkeys(self._core, 0)
        """By core: how many of its backends are lent."""

    def __len__(self) -> int:
        return len(self._all)

    @property
    def cores(self) -> int:
        """How many of the backends can work without sharing a core."""
        return len(self._working)

    @property
    def closed(self) -> bool:
        """Whether close() was called."""
        return self._closed

    @property
    def busy(self) -> tuple[float, ...]:
        """Seconds that each backend has been lent for."""
        return tuple(self._busy.values())

    @property
    def dead(self) -> tuple[str, ...]:
        """Why each backend that is not lent any more is not."""
        return tuple(self._dead)

    def hurry(self) -> None:
        """Have the inferences under way end soon, where a backend can give up on one."""
        for backend in self._all:
            if hurry := getattr(backend, "hurry", None):
                hurry()

    @contextmanager
    def lend(self) -> Iterator[Lent]:
        """Wait for an idle one and hold it for the length of the block; who came first is served first.

        One that raises CoreDeadError in the block is not lent again.

        Raises:
            BackendError: the pool is closed, or every backend is dead.
        """
        number = self._take()
        start = time.perf_counter()
        dead = ""
        try:
            yield self._all[number]
        except CoreDeadError as exc:
            dead = str(exc)
            raise
        finally:
            with self._changed:
                self._busy[number] += time.perf_counter() - start
                self._working[self._core[number]] -= 1
                if not dead:
                    self._idle.append(number)
                else:
                    self._dead.append(dead)
                    left = len(self._all) - len(self._dead)
                    what = "NPU cores" if self.cores == len(self._all) else "contexts on NPU cores"
                    _logger.warning("%s; %d of %d %s go on", dead, left, len(self._all), what)
                self._changed.notify_all()

    def _take(self) -> int:
        ticket = object()
        with self._changed:
            self._queue.append(ticket)
            try:
                self._changed.wait_for(
                    lambda: self._closed or self._all_dead() or (self._idle and self._queue[0] is ticket)
                )
                if self._closed:
                    raise BackendError("the model is closed")
                if self._all_dead():
                    raise BackendError(f"no NPU core is left: {self._dead[-1]}")
                # On the core with the least to do; of these the one that has rested longest.
                number = min(self._idle, key=lambda number: self._working[self._core[number]])
                self._idle.remove(number)
                self._working[self._core[number]] += 1
                return number
            finally:
                self._queue.remove(ticket)
                self._changed.notify_all()

    def _all_dead(self) -> bool:
        return len(self._dead) == len(self._all)

    def close(self) -> None:
        """Wait until everything is given back, then close every backend; a second call does nothing."""
        self.hurry()
        with self._changed:
            first = not self._closed
            self._closed = True
            self._changed.notify_all()
            while first and len(self._idle) + len(self._dead) < len(self._all):
                self._changed.wait()
        if first:
            for backend in reversed(self._all):  # last the one whose weights others may share
                backend.close()


BackendPool: TypeAlias = Pool[Backend]
