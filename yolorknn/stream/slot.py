"""A frame on its way through the engine."""

from __future__ import annotations

import time
from typing import Any

from yolorknn.stream.result import Result, Timings
from yolorknn.stream.sources.source import Frame
from yolorknn.stream.stages import Inferred, Prepared, Stages


class Slot:
    """A frame's place in the order of results."""

    def __init__(self, index: int, stages: Stages) -> None:
        self.index, self.stages = index, stages
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
        number = self.index if frame.number is None else frame.number
        origin = (frame.source, frame.clock, frame.camera, frame.epoch, frame.arrived)
        return Result(frame.image, number, frame.timestamp, self.detections, timings, *origin)

    @property
    def camera(self) -> str:
        """Whose frame it is; results of one camera keep their order."""
        return self.frame.camera if self.frame is not None else ""
