"""Time each stage of a running stream, and tell what it waits for: wall time, own CPU time, and waiting for a CPU.

    .venv/bin/python scripts/bench/stages.py [--ways simulated float int8] [--ms 8] [--opencv-threads 1 2]

What is left of the wall time is waiting for the GIL, for another thread, or in "infer" for the core. Beside it stands
the CPU time of the same calls alone, with nothing else running in the process. For how long a thread waited for a CPU,
which other programs may have had, Linux says (schedstat).
"""

from __future__ import annotations

import itertools
import os
import statistics
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import cv2
from beside import Disturbance, arguments
from on_standin import CORES, METADATA, model_on_standin
from pipelines import WAYS, Ours

from yolorknn.measure.simulated_npu import SimulatedNpu
from yolorknn.measure.synthetic import pictures
from yolorknn.runtime.memory import share_arena
from yolorknn.runtime.pool import BackendPool
from yolorknn.stream.stages import Stages
from yolorknn.tasks.task import Thresholds

STAGES = ("prepare", "infer", "decode")
SETTLED = 30
"""Frames at the beginning that are not counted."""
ALONE = 100


class Simulated(Ours):
    """A stream over simulated cores, which convert nothing."""

    def __init__(self, milliseconds: float, contexts: int) -> None:
        backends = [SimulatedNpu(METADATA, milliseconds) for _ in range(CORES * contexts)]
        self.stages = Stages(BackendPool(backends), METADATA, Thresholds())


class Watched:
    """A function and what its calls took."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self.calls: list[tuple[float, float, float]] = []
        """Seconds each: by the clock, on a CPU, waiting for one."""
        self._files = threading.local()

    def __call__(self, *arguments: Any) -> Any:
        """Call it."""
        waited = self._waited()
        start, cpu = time.perf_counter(), time.thread_time()
        try:
            return self._function(*arguments)
        finally:
            wall, cpu = time.perf_counter() - start, time.thread_time() - cpu
            self.calls.append((wall, cpu, self._waited() - waited))

    def _waited(self) -> float:
        if not hasattr(self._files, "schedstat"):
            self._files.schedstat = os.open("/proc/thread-self/schedstat", os.O_RDONLY)
        return int(os.pread(self._files.schedstat, 100, 0).split()[1]) / 1e9


def main() -> None:
    """Measure, and print."""
    parser = arguments(__doc__, rounds=600)
    parser.add_argument("--ms", type=float, default=8.0, help="of an inference (%(default)s)")
    parser.add_argument("--contexts", type=int, default=1, help="on each core (%(default)s)")
    parser.add_argument("--opencv-threads", type=int, nargs="+", default=[1], help="a stream has one (%(default)s)")
    parser.add_argument("--ways", nargs="+", default=["simulated", "float", "int8"], choices=["simulated", *WAYS])
    given = parser.parse_args()
    model = model_on_standin()
    os.environ["STANDIN_MS"] = str(given.ms)
    share_arena()
    images = pictures(8)
    for way, threads in itertools.product(given.ways, given.opencv_threads):
        pipeline = Simulated(given.ms, given.contexts) if way == "simulated" else Ours(model, way, given.contexts)
        alone = _alone(pipeline.stages, images)
        watched = {name: Watched(getattr(pipeline.stages, name)) for name in STAGES}
        for name, function in watched.items():
            setattr(pipeline.stages, name, function)
        counts = itertools.count(1)
        frames = pipeline.frames(itertools.cycle(images), lambda counts=counts: next(counts) >= SETTLED + given.rounds)  # type: ignore[misc]
        for _ in itertools.islice(frames, SETTLED):
            cv2.setNumThreads(threads)
        for function in watched.values():
            function.calls.clear()
        disturbance, start = Disturbance(), time.perf_counter()
        for _ in frames:
            pass
        fps = given.rounds / (time.perf_counter() - start)
        print(f"{way}, {given.ms:g} ms an inference, {given.contexts} contexts on each of {CORES} cores, OpenCV with "
              f"{threads} threads: {fps:.0f} frames/s, others used {disturbance.cpus():.2f} CPUs")  # fmt: skip
        print(f"    {'ms, mean':<10} {'wall':>6} {'p90':>6} {'CPU':>6} {'alone':>6} {'for a CPU':>10} {'else':>6}")
        for name, function in watched.items():
            wall, cpu, waited = (statistics.mean(column) * 1e3 for column in zip(*function.calls, strict=True))
            p90 = statistics.quantiles([call[0] for call in function.calls], n=10)[-1] * 1e3
            rest = max(0.0, wall - cpu - waited)
            print(
                f"    {name:<10} {wall:>6.2f} {p90:>6.2f} {cpu:>6.2f} {alone[name]:>6.2f} {waited:>10.2f} {rest:>6.2f}"
            )
        pipeline.close()


def _alone(stages: Stages, images: list[Any]) -> dict[str, float]:
    """Return what each stage takes with nothing else running, in ms of CPU time: the median."""
    cv2.setNumThreads(1)
    times: dict[str, list[float]] = defaultdict(list)
    for image in itertools.islice(itertools.cycle(images), ALONE):
        value: Any = image
        for name in STAGES:
            start = time.thread_time()
            value = getattr(stages, name)(value)
            times[name].append(time.thread_time() - start)
    return {name: statistics.median(column) * 1e3 for name, column in times.items()}


if __name__ == "__main__":
    main()
