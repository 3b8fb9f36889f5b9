"""Pool: lends each of several backends or sessions to one thread at a time."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, wait
from contextlib import contextmanager
from typing import Any, Generic, Protocol, TypeAlias, TypeVar

from yolorknn.errors import BackendError, CoreDeadError
from yolorknn.runtime.backend import Backend
from yolorknn.runtime.turns import SLICE_SECONDS

_logger = logging.getLogger(__name__)


HURRY_EVERY = 0.5
"""Seconds between two calls of hurry() while an end is waited for."""


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
        self._rested = list(range(len(self._all)))
        """All, the one that was given back last at the end."""
        self._lent: dict[object, int] = {}
        """By ticket: which is lent."""
        self._borrower: dict[object, int] = {}
        """By ticket: the thread that asked."""
        self._left_open = False
        """Whether who gives the last back is to close all."""
        self._dead: dict[int, str] = {}
        self._closed = False
        on = [getattr(backend, "core", None) for backend in self._all]
        self._core = [number - len(self._all) if core is None else core for number, core in enumerate(on)]
        self._busy = dict.fromkeys(self._core, 0.0)
        self._since: dict[int, float] = {}
        """By core: since when one or more of its backends are lent."""
        self._queue: deque[object] = deque()
        self._begin()

    def _begin(self) -> None:
        """Have nothing lent: also in a forked process, which has none of the threads that would give it back."""
        lock = threading.RLock()
        self._lock, self._changed = lock, threading.Condition(lock)
        self._lent.clear()
        self._borrower.clear()
        self._since.clear()
        self._queue.clear()
        self._process = os.getpid()

    def __len__(self) -> int:
        return len(self._all)

    @property
    def cores(self) -> int:
        """How many of the backends can work without sharing a core."""
        return len(set(self._core))

    @property
    def closed(self) -> bool:
        """Whether close() was called."""
        return self._closed

    @property
    def busy(self) -> tuple[float, ...]:
        """Seconds in which each core had a backend lent; one that shares its core with none is a core."""
        return tuple(self._busy.values())

    @property
    def dead(self) -> tuple[str, ...]:
        """Why each backend that is not lent any more is not."""
        return tuple(self._dead.values())

    def hurry(self) -> None:
        """Have the inferences under way end soon, where a backend can give up on one."""
        for backend in self._all:
            if hurry := getattr(backend, "hurry", None):
                hurry()

    def hurry_through(self, futures: Iterable[Future[Any]]) -> None:
        """Wait for what runs on it in other threads, and have it end soon: its results are not wanted any more."""
        while left := [future for future in futures if not future.done()]:
            self.hurry()  # again, as an inference may have begun meanwhile
            wait(left, HURRY_EVERY)

    @contextmanager
    def lend(self) -> Iterator[Lent]:
        """Wait for an idle one and hold it for the length of the block; who came first is served first.

        One that raises CoreDeadError in the block is not lent again.

        Raises:
            BackendError: the pool is closed, or every backend is dead.
        """
        ticket, dead = object(), ""
        try:
            try:
                yield self._all[self._take(ticket)]
            except CoreDeadError as exc:
                dead = str(exc)
                raise
            finally:
                self._give_back(ticket, dead)
        finally:
            self._give_back(ticket, dead)  # again, as Ctrl-C may have come in the middle of it

    def _take(self, ticket: object) -> int:
        """Wait for one; whatever comes then, _give_back() is to be called with the ticket."""
        if self._process != os.getpid():
            self._begin()
        with self._lock:
            self._borrower[ticket] = threading.get_ident()
            self._queue.append(ticket)
            # In slices: a signal's handler that closes may come just before the wait, where nobody hears it.
            while not self._changed.wait_for(
                lambda: self._closed or self._all_dead() or (self._queue[0] is ticket and self._idle()), SLICE_SECONDS
            ):
                pass
            if self._closed:
                raise BackendError("the model is closed")
            if self._all_dead():
                raise BackendError(f"no NPU core is left: {list(self._dead.values())[-1]}")
            # On the core with the least to do; of these the one that has rested longest.
            working = [self._core[number] for number in self._lent.values()]
            number = min(self._idle(), key=lambda number: working.count(self._core[number]))
            self._lent[ticket] = number
            self._since.setdefault(self._core[number], time.perf_counter())
            self._queue.remove(ticket)
            self._changed.notify_all()
            return number

    def _give_back(self, ticket: object, dead: str) -> None:
        """End what _take() began, as far as it came; a second call does what the first did not."""
        with self._lock:
            if ticket in self._lent or ticket in self._queue:
                self._changed.notify_all()
            if ticket in self._lent:
                number = self._lent[ticket]
                if dead and number not in self._dead:
                    self._dead[number] = dead
                    left = len(self._all) - len(self._dead)
                    what = "NPU cores" if self.cores == len(self._all) else "contexts on NPU cores"
                    _logger.warning("%s; %d of %d %s go on", dead, left, len(self._all), what)
                self._rested = [*(other for other in self._rested if other != number), number]
                core, now = self._core[number], time.perf_counter()
                if [self._core[other] for other in self._lent.values()].count(core) == 1:
                    self._busy[core] += now - self._since.pop(core, now)
                del self._lent[ticket]
            if ticket in self._queue:
                self._queue.remove(ticket)
            self._borrower.pop(ticket, None)
            last = self._left_open and not self._lent
            self._left_open &= not last
        if last:
            self._close_all()

    def _idle(self) -> list[int]:
        lent = set(self._lent.values())
        return [number for number in self._rested if number not in lent and number not in self._dead]

    def _all_dead(self) -> bool:
        return len(self._dead) == len(self._all)

    def close(self) -> None:
        """Wait until everything is given back, then close every backend; a second call does nothing.

        What this thread itself has lent, as where a signal's handler closes amid an inference, is not waited for: all
        are closed when it is given back.
        """
        if self._process != os.getpid():
            self._begin()
        self.hurry()
        with self._lock:
            first = not self._closed
            self._closed = True
            self._changed.notify_all()
            own = threading.get_ident()
            while first and any(self._borrower[ticket] != own for ticket in self._lent):
                self._changed.wait(HURRY_EVERY)
                self.hurry()  # again, as one may have begun meanwhile
            self._left_open |= first and bool(self._lent)
            now = first and not self._left_open
        if now:
            self._close_all()

    def _close_all(self) -> None:
        for backend in reversed(self._all):  # last the one whose weights others may share
            backend.close()


BackendPool: TypeAlias = Pool[Backend]
