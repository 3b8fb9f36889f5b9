"""The threads behind a Stream: one reads and letterboxes, one for each worker infers, one decodes."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Literal

from yolorknn.errors import BackendError, SourceError
from yolorknn.runtime.pool import HURRY_EVERY
from yolorknn.runtime.turns import SLICE_SECONDS
from yolorknn.stream.crew import Crew
from yolorknn.stream.opencv_threads import hold_back, let_go
from yolorknn.stream.slot import Slot
from yolorknn.stream.sources.source import Frame, Source
from yolorknn.stream.stages import Stages

PATIENCE = 2.0
"""Seconds that a source may take for a frame when nobody wants it any more; then its thread is left to end alone."""
Drop = Literal["none", "old"]

AHEAD = 3
"""Frames letterboxed that no worker has taken yet; frames inferred and not decoded; results beyond one a worker."""


class Engine:
    """Moves frames from a source through the stages, in order, with a bound on what is under way.

    Of several cameras each keeps its own order: one whose frame is on a core that hangs holds up no other. A source of
    several may have taken() and left(), called with each frame when a worker takes it and when its result leaves. They
    return at once, and bound the frames of a camera that are between the two.

    A frame goes through the stages with which it began: replace() is between two frames.
    """

    def __init__(self, source: Source, stages: Stages, workers: int, drop: Drop) -> None:
        self.dropped = 0
        self._source, self._stages, self._drop = source, stages, drop
        self._taken: Callable[[Frame], None] = getattr(source, "taken", lambda _: None)
        self._left: Callable[[Frame], None] = getattr(source, "left", lambda _: None)
        self._limit = workers + AHEAD
        self._waiting: deque[Slot] = deque()  # letterboxed, and no worker has it yet
        self._inferred: deque[Slot] = deque()  # not yet decoded
        self._order: deque[Slot] = deque()  # a worker has or had it, and nobody has taken its result yet
        self._inferring = workers
        self._reading: Slot | None = None  # its frame is being letterboxed
        self._ended = self._stopped = False
        self._process = os.getpid()
        lock = threading.RLock()
        self._room, self._work, self._outputs, self._ready = (threading.Condition(lock) for _ in range(4))
        targets: list[tuple[str, Callable[[], None]]] = [("read", self._read), ("decode", self._decode)]
        self._crew = Crew(lock, [*targets, *[("infer", self._infer)] * workers])

    def start(self) -> None:
        """Begin; whatever comes then, as Ctrl-C, close() is to be called.

        Raises:
            BackendError: the system gives no more threads.
        """
        try:
            hold_back(self)
            self._crew.start()
        except BaseException as exc:
            self.close()
            if isinstance(exc, RuntimeError):
                what = "the system gives no more threads: end other programs, or raise 'ulimit -u'"
                raise BackendError(what) from exc
            raise

    def take_result(self) -> Slot | None:
        """Wait for the next slot in order; None at the end."""
        if self._process != os.getpid():
            raise BackendError(
                "the stream was begun by the process that this one was forked from: open the model after the fork"
            )
        with self._ready:
            # In slices: a signal's handler that closes may come just before the wait, where nobody hears it.
            while not self._ready.wait_for(
                lambda: self._stopped or self._exhausted() or self._next_done(), SLICE_SECONDS
            ):
                pass
            if self._stopped or not (slot := self._next_done()):
                return None
            self._order.remove(slot)
            self._wake()
            if slot.frame is not None:
                self._left(slot.frame)
            return slot

    def _next_done(self) -> Slot | None:
        """Return the first slot whose result may leave: none of its camera's is before it."""
        held: set[str] = set()
        for slot in self._order:
            if slot.done and slot.camera not in held:
                return slot
            held.add(slot.camera)
        return None

    def _under_way(self) -> int:
        """Count the slots in order, but those that wait for an earlier one of their camera among several."""
        held: set[str] = set()
        count = 0
        for slot in self._order:
            count += slot.camera not in held
            if slot.camera and not slot.done:
                held.add(slot.camera)
        return count

    def close(self) -> None:
        """Stop, and join every thread but the caller's, and but one that its source holds up for PATIENCE."""
        if self._process != os.getpid():  # a fork has none of them, and may have the lock of one
            return
        let_go(self)
        with self._ready:
            first, self._stopped = not self._stopped, True
            for condition in (self._room, self._work, self._outputs, self._ready):
                condition.notify_all()
        if stop := getattr(self._source, "stop", None):
            stop()
        if first and not self._crew.threads[0].ident:
            self._source.close()
        if threading.current_thread() not in self._crew.threads:
            self._stages.hurry()
            reading, *others = self._crew.threads
            self._crew.join(reading, PATIENCE)
            for thread in others:
                while not self._crew.join(thread, HURRY_EVERY):
                    self._stages.hurry()  # again, as an inference may have begun meanwhile

    def replace(self, stages: Stages, patience: float) -> bool:
        """Have all further frames go through other stages; wait until nothing is left to infer with those before.

        Returns:
            Whether that was so within `patience` seconds; not where a core hangs.
        """
        with self._ready:
            old, self._stages = self._stages, stages
            return self._outputs.wait_for(lambda: self._stopped or not self._needs(old), patience)

    def _needs(self, stages: Stages) -> bool:
        slots = [*self._waiting, *self._order, *([self._reading] if self._reading else [])]
        return any(slot.stages is stages and slot.error is None and slot.inferred is None for slot in slots)

    def _exhausted(self) -> bool:
        return self._ended and not self._waiting and not self._order

    def _read(self) -> None:
        index = 0
        try:
            while not self._stopped:
                slot = Slot(index, self._stages)
                try:
                    slot.frame = self._source.read()
                    slot.read = time.perf_counter()
                    if slot.frame is not None:
                        with self._ready:
                            slot.stages, self._reading = self._stages, slot
                        slot.prepared = slot.stages.prepare(slot.frame.image)
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
                        stale.stages.recycle(stale.prepared)
            if self._drop == "none" or slot.error is not None:  # none of which takes another's place
                self._room.wait_for(lambda: self._stopped or len(self._waiting) < AHEAD)
            self._waiting.append(slot)
            self._reading = None
            self._work.notify()

    def _infer(self) -> None:
        while (slot := self._take_work()) is not None:
            try:
                if slot.error is None and slot.prepared is not None:
                    slot.inferred = slot.stages.infer(slot.prepared, lambda: not self._stopped)
            except BaseException as exc:  # raised again when the slot's turn comes
                slot.error = exc
            with self._outputs:
                self._inferred.append(slot)
                self._outputs.notify_all()  # the thread that decodes, and replace()
        with self._outputs:
            self._inferring -= 1
            self._outputs.notify()

    def _take_work(self) -> Slot | None:
        with self._work:
            self._work.wait_for(
                lambda: (
                    self._stopped
                    or (self._waiting and self._under_way() < self._limit and len(self._inferred) < AHEAD)
                    or (self._ended and not self._waiting)
                )
            )
            if self._stopped or not self._waiting:
                return None
            slot = self._waiting.popleft()
            self._order.append(slot)
            self._room.notify()
            if slot.frame is not None:
                self._taken(slot.frame)
            return slot

    def _decode(self) -> None:
        while (slot := self._take_inferred()) is not None:
            try:
                if slot.error is None and slot.inferred is not None:
                    slot.detections = slot.stages.decode(slot.inferred)
                    slot.inferred = slot.inferred._replace(outputs=())
            except BaseException as exc:
                slot.error = exc
            with self._ready:
                slot.done = time.perf_counter()
                if self._next_done() is slot:
                    self._ready.notify()

    def _take_inferred(self) -> Slot | None:
        with self._outputs:
            self._outputs.wait_for(lambda: self._stopped or self._inferred or not self._inferring)
            if self._stopped or not self._inferred:
                return None
            slot = self._inferred.popleft()
            self._wake()
            return slot

    def _wake(self) -> None:
        """Wake a worker, where there is something for it: in vain, it would take a CPU from the other threads."""
        if self._waiting or self._ended:
            self._work.notify()
