"""The threads behind a Stream: one reads and letterboxes, one for each worker infers, one decodes."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Literal

from yolorknn.errors import BackendError, SourceError
from yolorknn.stream.opencv_threads import hold_back, let_go
from yolorknn.stream.result import Result, Timings
from yolorknn.stream.sources.source import Frame, Source
from yolorknn.stream.stages import Inferred, Prepared, Stages

PATIENCE = 2.0
"""Seconds that a source may take for a frame when nobody wants it any more; then its thread is left to end alone."""
Drop = Literal["none", "old"]

AHEAD = 3
"""Frames letterboxed that no worker has taken yet; frames inferred and not decoded; results beyond one a worker."""


class Slot:
    """A frame's place in the order of results."""

    def __init__(self, index: int) -> None:
        self.index = index
        self.frame: Frame | None = None
        self.prepared: Prepared | None = None
        self.inferred: Inferred | None = None
        self.detections: Any = None
        self.error: BaseException | None = None
        self.asked = time.perf_counter()
        self.read = self.done = 0.0  # moments; done is set last, by the thread that made it so

    def result(self) -> Result[Any]:
        """Return what was found, or raise what went wrong."""
        if self.error is not None:
            error, self.error = self.error, None
            try:
                raise error
            finally:
                del error  # whose traceback refers to the stream through this frame: a circle would keep it alive
        frame, prepared, inferred = self.frame, self.prepared, self.inferred
        assert frame is not None and prepared is not None and inferred is not None and self.detections is not None
        timings = Timings(
            capture=self.read - self.asked,
            wait=inferred.got - self.read - prepared.seconds,
            preprocess=prepared.seconds,
            infer=inferred.left - inferred.got,
            postprocess=self.done - inferred.left,
            reorder=time.perf_counter() - self.done,
        )
        return Result(frame.image, self.index, frame.timestamp, self.detections, timings, frame.source, frame.clock)


class Engine:
    """Moves frames from a source through the stages, in order, with a bound on what is under way."""

    def __init__(self, source: Source, stages: Stages, workers: int, drop: Drop) -> None:
        self.dropped = 0
        self._source, self._stages, self._drop = source, stages, drop
        self._limit = workers + AHEAD
        self._waiting: deque[Slot] = deque()  # letterboxed, and no worker has it yet
        self._inferred: deque[Slot] = deque()  # not yet decoded
        self._order: deque[Slot] = deque()  # a worker has or had it, and nobody has taken its result yet
        self._inferring = workers
        self._ended = self._stopped = False
        lock = threading.RLock()
        self._room, self._work, self._outputs, self._ready = (threading.Condition(lock) for _ in range(4))
        targets: list[tuple[str, Callable[[], None]]] = [("read", self._read), ("decode", self._decode)]
        # Daemons, so that an interpreter that exits in the middle reaches the finalizer, which joins them.
        self._threads = [
            threading.Thread(target=target, name=f"yolorknn-{name}", daemon=True)
            for name, target in [*targets, *[("infer", self._infer)] * workers]
        ]
        hold_back()
        try:
            for thread in self._threads:
                thread.start()
        except BaseException as exc:
            self.close()
            if not self._threads[0].ident:
                source.close()
            if isinstance(exc, RuntimeError):
                what = "the system gives no more threads: end other programs, or raise 'ulimit -u'"
                raise BackendError(what) from exc
            raise

    def take_result(self) -> Slot | None:
        """Wait for the next slot in order; None at the end."""
        with self._ready:
            self._ready.wait_for(lambda: self._stopped or self._exhausted() or (self._order and self._order[0].done))
            if self._stopped or not self._order:
                return None
            self._work.notify()
            return self._order.popleft()

    def close(self) -> None:
        """Stop, and join every thread but the caller's, and but one that its source holds up for PATIENCE."""
        with self._ready:
            if not self._stopped:
                let_go()
            self._stopped = True
            for condition in (self._room, self._work, self._outputs, self._ready):
                condition.notify_all()
        if threading.current_thread() not in self._threads:
            self._stages.hurry()
            for number, thread in enumerate(self._threads):
                if thread.ident:
                    thread.join(None if number else PATIENCE)

    def _exhausted(self) -> bool:
        return self._ended and not self._waiting and not self._order

    def _read(self) -> None:
        index = 0
        try:
            while not self._stopped:
                slot = Slot(index)
                try:
                    slot.frame = self._source.read()
                    slot.read = time.perf_counter()
                    if slot.frame is not None:
                        slot.prepared = self._stages.prepare(slot.frame.image)
                except BaseException as exc:  # an iterable of the caller's can raise anything
                    slot.error = exc
                if slot.frame is None and slot.error is None:
                    break
                self._offer(slot)
                if slot.error is not None and not isinstance(slot.error, SourceError):
                    break
                index += 1
        finally:
            self._source.close()
            with self._ready:
                self._ended = True
                self._work.notify_all()
                self._ready.notify_all()

    def _offer(self, slot: Slot) -> None:
        with self._room:
            if self._drop == "old":
                for stale in [waiting for waiting in self._waiting if waiting.error is None]:
                    self._waiting.remove(stale)
                    self.dropped += 1
                    if stale.prepared is not None:
                        self._stages.recycle(stale.prepared)
            else:
                self._room.wait_for(lambda: self._stopped or len(self._waiting) < AHEAD)
            self._waiting.append(slot)
            self._work.notify()

    def _infer(self) -> None:
        while (slot := self._take_work()) is not None:
            try:
                if slot.error is None and slot.prepared is not None:
                    slot.inferred = self._stages.infer(slot.prepared)
            except BaseException as exc:  # raised again when the slot's turn comes
                slot.error = exc
            with self._outputs:
                self._inferred.append(slot)
                self._outputs.notify()
        with self._outputs:
            self._inferring -= 1
            self._outputs.notify()

    def _take_work(self) -> Slot | None:
        with self._work:
            self._work.wait_for(
                lambda: (
                    self._stopped
                    or (self._waiting and len(self._order) < self._limit and len(self._inferred) < AHEAD)
                    or (self._ended and not self._waiting)
                )
            )
            if self._stopped or not self._waiting:
                return None
            slot = self._waiting.popleft()
            self._order.append(slot)
            self._room.notify()
            return slot

    def _decode(self) -> None:
        while (slot := self._take_inferred()) is not None:
            try:
                if slot.error is None and slot.inferred is not None:
                    slot.detections = self._stages.decode(slot.inferred)
                    slot.inferred = slot.inferred._replace(outputs=())
            except BaseException as exc:
                slot.error = exc
            with self._ready:
                slot.done = time.perf_counter()
                if self._order and self._order[0] is slot:
                    self._ready.notify()

    def _take_inferred(self) -> Slot | None:
        with self._outputs:
            self._outputs.wait_for(lambda: self._stopped or self._inferred or not self._inferring)
            self._work.notify()
            return None if self._stopped or not self._inferred else self._inferred.popleft()
