"""The ways to run a model that scripts/bench/runtime.py compares: each is a pipeline, frames in, latencies out."""

from __future__ import annotations

import gc
import itertools
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from ctypes import byref, c_float
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from on_standin import CORES, METADATA

from yolorknn.image import Canvas
from yolorknn.model import rknn_file
from yolorknn.runtime import rknn_api
from yolorknn.runtime.backend import SessionBackend
from yolorknn.runtime.output_memory import OutputMemory
from yolorknn.runtime.pool import BackendPool
from yolorknn.runtime.recovering import RecoveringSession
from yolorknn.runtime.rknn_api import Attributes, Counts, Output, RunExtend, Versions
from yolorknn.runtime.rknnlite import COLLECT_EVERY
from yolorknn.runtime.rknnrt import RknnRtSession, Weights
from yolorknn.runtime.session import Arrays
from yolorknn.stream.sources.images import Images
from yolorknn.stream.stages import Inferred, Stages
from yolorknn.stream.stream import Stream
from yolorknn.tasks.detections import Detections
from yolorknn.tasks.known import task_of
from yolorknn.tasks.task import Thresholds


class FloatSession(RknnRtSession):
    """Asks for float32."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.outputs = [tensor._replace(dtype="float32", scale=None, zero_point=None) for tensor in self.outputs]
        self._memory = OutputMemory(self.outputs)


class WheelsWay(FloatSession):
    """Calls what the vendor's wheel was seen to call, in its order."""

    _calls = 0

    def run(self, given: Arrays) -> dict[str, Any]:
        """Run the model; see Session.run."""
        call, handle = self._library.call, self._handle
        for what, answer in ((rknn_api.COUNTS, Counts()), (rknn_api.INPUT, Attributes()), (14, Attributes())):
            call("rknn_query", handle, what, byref(answer), _size(answer))
        kept = [self._lay(number, tensor, given[tensor.name]) for number, tensor in enumerate(self.inputs)]
        self._call("rknn_inputs_set", 1, self._given)
        self._call("rknn_run", byref(RunExtend()))
        call("rknn_query", handle, rknn_api.VERSION, byref(Versions()), _size(Versions()))
        wanted = (Output * len(self.outputs))(*[Output(want_float=1, index=n) for n in range(len(self.outputs))])
        self._call("rknn_outputs_get", len(wanted), wanted, None)
        arrays = {
            tensor.name: np.frombuffer((c_float * (out.size // 4)).from_address(out.data), np.float32)
            .reshape(tensor.shape)
            .copy()
            for out, tensor in zip(wanted, self.outputs, strict=True)
        }
        self._call("rknn_outputs_release", len(wanted), wanted)
        self._calls += 1
        if self._calls % COLLECT_EVERY == 0:  # as runtime/rknnlite.py has to
            gc.collect(1)
        del kept
        return arrays


class InputsAlone(RknnRtSession):
    """Runs the model and asks for no outputs."""

    def run(self, given: Arrays) -> dict[str, Any]:
        """Run the model; see Session.run."""
        kept = [self._lay(number, tensor, given[tensor.name]) for number, tensor in enumerate(self.inputs)]
        self._call("rknn_inputs_set", 1, self._given)
        del kept
        self._call("rknn_run", byref(RunExtend(timeout_ms=math.ceil(self.timeout * 1000))))
        return {tensor.name: np.broadcast_to(np.zeros((), tensor.dtype), tensor.shape) for tensor in self.outputs}


class Undecoded(Stages):
    """Finds nothing, without a look."""

    def decode(self, inferred: Inferred) -> Detections:
        """Return nothing."""
        return Detections.empty()


def _size(answer: Any) -> int:
    return len(bytes(answer))


WAYS: dict[str, type[RknnRtSession]] = {"wheel": WheelsWay, "float": FloatSession, "int8": RknnRtSession}
INPUTS = "inputs"


class Ours:
    """A stream over the stand-in's cores."""

    def __init__(self, model: Path, kind: str, contexts: int) -> None:
        file, library = rknn_file.read(model), rknn_api.Library()
        weights = Weights(file)

        def opener(core: int) -> Callable[[], RknnRtSession]:
            if kind == "int8":
                return lambda: weights.open(core)
            return lambda: {**WAYS, INPUTS: InputsAlone}[kind](library, file, core=core)

        sessions = [
            RecoveringSession(opener(core), where=f"core {core}", core=core) for core in [*range(CORES)] * contexts
        ]
        pool = BackendPool([SessionBackend(session, METADATA) for session in sessions])
        self.stages = (Undecoded if kind == INPUTS else Stages)(pool, METADATA, Thresholds())

    def frames(self, images: Iterator[Any], stop: Callable[[], bool]) -> Iterator[float]:
        """Run, and give each frame's latency in seconds."""
        with Stream(Images(images), self.stages, workers=len(self.stages.pool), drop="none") as stream:
            for result in stream:
                yield sum(result.timings[1:])
                if stop():
                    return

    def close(self) -> None:
        """Close the sessions."""
        self.stages.pool.close()


class Ez:
    """The other package's own pipeline: its asynchronous runs on three cores, callbacks in order."""

    def __init__(self, model: Path, contexts: int, *, ultralytics: bool) -> None:
        ez: Any = import_module("ztu_somemodelruntime_ez_rknn_async")

        options = ez.make_provider_options(
            layout="nhwc", schedule=[*range(CORES)], threads_per_core=contexts, max_queue_size=CORES * contexts + 3
        )
        self._session = ez.InferenceSession(str(model), provider_options=[options])
        self._decode = self._theirs() if ultralytics else self._ours

    def _ours(self, outputs: list[Any], placed: Any) -> Any:
        return task_of(METADATA).decode(outputs, METADATA, Thresholds(), placed)

    def _theirs(self) -> Callable[[list[Any], Any], Any]:
        import torch
        from postprocess import ultralytics

        torch.set_num_threads(1)

        def decode(outputs: list[Any], _: Any) -> Any:
            return ultralytics(outputs, [8, 16, 32], 0.25)()

        return decode

    def frames(self, images: Iterator[Any], stop: Callable[[], bool]) -> Iterator[float]:
        """Run, and give each frame's latency in seconds."""
        done: deque[float] = deque()
        ready, room = threading.Semaphore(0), threading.Semaphore(CORES * 2 + 6)
        canvases = [Canvas(METADATA.imgsz) for _ in range(CORES * 2 + 12)]

        def callback(outputs: list[Any], user: Any, error: str | None) -> None:
            start, placed = user
            assert not error, error
            self._decode(outputs, placed)
            done.append(time.perf_counter() - start)
            room.release()
            ready.release()

        ended = threading.Event()
        fed = []

        def feed() -> None:
            for canvas, image in zip(itertools.cycle(canvases), images, strict=False):
                room.acquire()
                if ended.is_set():
                    return
                start = time.perf_counter()
                placed = canvas.fill(image)
                fed.append(1)
                self._session.run_async(None, {"images": canvas.pixels[None]}, callback, (start, placed))

        feeder = threading.Thread(target=feed)
        feeder.start()
        count = 0
        try:
            while True:
                ready.acquire()
                count += 1
                yield done.popleft()
                if stop():
                    return
        finally:
            ended.set()
            room.release()
            feeder.join()
            while count < len(fed):
                ready.acquire()
                count += 1

    def close(self) -> None:
        """Close the session."""
        del self._session
