"""Stream: what Detector.stream() returns, an iterator over the results of a source's frames."""

from __future__ import annotations

import time
import weakref
from collections import Counter
from typing import Generic

from yolorknn.errors import CoreHungError
from yolorknn.stream.engine import Drop, Engine
from yolorknn.stream.result import Result
from yolorknn.stream.sources.source import Source
from yolorknn.stream.stages import Stages
from yolorknn.tasks.classification import Found


class Stream(Generic[Found]):
    """Iterator of Result, in the source's order. Made by Detector.stream().

    One thread reads and letterboxes, `workers` threads do nothing but infer, so that a core goes from one frame to the
    next without waiting for Python, and one thread decodes. With drop="none" the reading thread waits for the workers.
    With drop="old" only the newest frame waits, and the one it replaces is counted in `dropped`.

    An error of one frame is raised when its turn comes; a further next() goes on with the frame after it. A frame whose
    NPU core hung is left out, and counted in `lost`.
    Every thread is joined by close(), by leaving a `with` or the loop, and at the end of the source; but one that the
    source blocks, as a pipe nobody writes to, ends when that gives its frame, or with the process.
    """

    def __init__(self, source: Source, stages: Stages, *, workers: int, drop: Drop) -> None:
        self.source = source
        self._broken: Exception | None = None
        self.lost = 0
        """Frames that an NPU core did not answer."""
        self.failed: Counter[str] = Counter()
        """By camera, empty where there is only one: frames whose result is an error, those lost among them."""
        self.begun = time.perf_counter()
        """Moment from which its threads work."""
        self._engine = Engine(source, stages, workers, drop)
        # The threads hold the engine alone, so that a stream nobody refers to any more is stopped.
        self._finalizer = weakref.finalize(self, self._engine.close)
        self._engine.start()

    @property
    def dropped(self) -> int:
        """Frames that a newer one replaced before a worker was free."""
        return self._engine.dropped + int(getattr(self.source, "dropped", 0))

    def __iter__(self) -> Stream[Found]:
        return self

    def __next__(self) -> Result[Found]:
        while (slot := self._engine.take_result()) is not None and slot.error is not None:
            self.failed[slot.camera] += 1
            if not isinstance(slot.error, CoreHungError):
                break
            self.lost += 1
        if slot is None:
            self.close()
            if self._broken is not None:
                raise self._broken
            raise StopIteration
        return slot.result()

    def replace(self, stages: Stages, patience: float) -> bool:
        """Go on with other stages from the next frame; see Engine.replace."""
        return self._engine.replace(stages, patience)

    def __enter__(self) -> Stream[Found]:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop, and join every thread; a second call does nothing."""
        self._finalizer()

    def abort(self, reason: Exception) -> None:
        """Close, and raise `reason` in whoever goes on iterating."""
        if self._finalizer.alive:
            self._broken = reason
            self.close()
