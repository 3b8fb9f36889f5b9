"""How fast a model runs here: latency by stage, throughput by cores and workers, and what limits it."""

from __future__ import annotations

import itertools
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from yolorknn.image import Image
from yolorknn.measure.bench_report import BenchReport, Run
from yolorknn.measure.simulated_npu import SimulatedNpu
from yolorknn.measure.synthetic import FRAME_SIZE, Paced, pictures
from yolorknn.open_model import open_model, read_metadata
from yolorknn.progress import Progress
from yolorknn.runtime.backend import Backend
from yolorknn.runtime.memory import resident_mb
from yolorknn.runtime.pool import BackendPool
from yolorknn.stream.result import Timings
from yolorknn.stream.sources.images import Images
from yolorknn.stream.sources.open_source import open_source
from yolorknn.stream.sources.source import Source
from yolorknn.stream.stages import Stages
from yolorknn.stream.stream import Stream
from yolorknn.tasks.task import Thresholds
from yolorknn.text import shown_url

WARM_UP = 10
"""First frames of each run, not counted."""
KEPT_FRAMES = 30
"""Frames read from a source into memory, so that its decoding is not measured as ours."""


def bench(
    model: Path,
    *,
    source: str | None = None,
    seconds: float = 2.0,
    npu_ms: float | None = None,
    cores: int = 3,
    fps: float | None = None,
    conf: float = 0.25,
    progress: Progress | None = None,
) -> BenchReport:
    """Measure a model with 1..n cores, each with a worker for every core and with one more.

    Args:
        model: an .onnx, or on a board a .rknn; with `npu_ms` either, anywhere.
        source: its first KEPT_FRAMES frames are used over and over; default is made-up pictures of FRAME_SIZE.
        seconds: how long each setting runs.
        npu_ms: replace inference by a simulated NPU that holds a core so long.
        cores: of the simulated NPU.
        fps: give the frames as a live camera would, dropping old ones; default is as fast as they are taken.
        conf: confidence threshold.
        progress: told each setting.

    Raises:
        ModelError: see Detector.
        SourceError: the source cannot be read.
    """
    images = _images(source)
    thresholds = Thresholds(conf=conf)
    backends: Sequence[Backend]
    start = time.perf_counter()
    if npu_ms is None:
        metadata, backends = open_model(model)
    else:
        metadata = read_metadata(model)
        backends = [SimulatedNpu(metadata, npu_ms) for _ in range(cores)]
    count = len(backends)
    settings = [(some, some + more) for some in range(1, count + 1) for more in (0, 1)]
    runs = []
    try:
        Stages(BackendPool(backends[:1]), metadata, thresholds).run(images[0])
        first = time.perf_counter() - start
        for number, (some, workers) in enumerate(settings):
            if progress:
                progress(f"{some} cores, {workers} workers", number / len(settings))
            feed: Source = Images(itertools.cycle(images)) if fps is None else Paced(images, fps)
            stages = Stages(BackendPool(backends[:some]), metadata, thresholds)
            runs.append(_run(stages, feed, seconds, workers, live=fps is not None))
    finally:
        for backend in backends:
            backend.close()
    fastest = max(run.fps for run in runs)
    best = min((run for run in runs if run.fps >= 0.99 * fastest), key=lambda run: (run.cores, run.workers))
    return BenchReport(
        model=str(model),
        npu="real" if npu_ms is None else f"simulated, {npu_ms:g} ms an inference",
        source=shown_url(source) if source else f"made-up pictures of {FRAME_SIZE[1]}x{FRAME_SIZE[0]}",
        runs=tuple(runs),
        best=best,
        first_s=round(first, 3),
        memory_mb=resident_mb(),
    )


def _images(source: str | None) -> list[Image]:
    if source is None:
        return pictures()
    with closing(open_source(source)) as opened:
        frames = itertools.takewhile(lambda frame: frame is not None, (opened.read() for _ in range(KEPT_FRAMES)))
        return [frame.image for frame in frames if frame is not None]


def _run(stages: Stages, feed: Source, seconds: float, workers: int, *, live: bool) -> Run:
    timings: list[Timings] = []
    with Stream(feed, stages, workers=workers, drop="old" if live else "none") as stream:
        for _ in itertools.islice(stream, WARM_UP):
            pass
        busy, start = sum(stages.pool.busy), time.perf_counter()
        while time.perf_counter() - start < seconds:
            timings.append(next(stream).timings)
        elapsed = time.perf_counter() - start
        busy = (sum(stages.pool.busy) - busy) / elapsed / len(stages.pool.busy)
        dropped = stream.dropped
    table = np.array(timings) * 1000
    latency = table[:, 1:].sum(axis=1)
    reading = (table[:, 0].sum() / 1000, table[:, 2].sum() / 1000)
    return Run(
        cores=len(stages.pool.busy),
        workers=workers,
        frames=len(timings),
        fps=len(timings) / elapsed,
        dropped=dropped,
        busy=min(busy, 1.0),
        latency_ms=_percentiles(latency),
        stages_ms={name: _percentiles(table[:, i]) for i, name in enumerate(Timings._fields)},
        limit=_limit(busy, reading[0] / elapsed, live=live),
    )


def _limit(busy: float, reading: float, *, live: bool) -> str:
    """Say what is always busy: the cores, the reading of the source, or else the CPU's share of the work."""
    if busy > 0.95:
        return "NPU"
    return "source" if live or reading > 0.8 else "CPU"


def _percentiles(values: NDArray[Any]) -> dict[str, float]:
    return {f"p{p}": round(float(np.percentile(values, p)), 3) for p in (50, 90, 99)}
