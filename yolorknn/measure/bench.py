"""How fast a model runs here: latency by stage, throughput by cores and workers, and what limits it."""

from __future__ import annotations

import functools
import itertools
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from yolorknn.errors import BackendError, MissingDependencyError
from yolorknn.image import Image
from yolorknn.measure.bench_compared import Benched, best_of, compared
from yolorknn.measure.bench_report import NO_NPU, ONNXRUNTIME, BenchReport, Run, percentiles, refused, with_memory
from yolorknn.measure.simulated_npu import SimulatedNpu
from yolorknn.measure.synthetic import FRAME_SIZE, Paced, pictures
from yolorknn.model.anchor_sizes import AnchorSizes
from yolorknn.model.first_file import first_metadata
from yolorknn.model.metadata import ModelMetadata
from yolorknn.predict.open_model import open_model, read_metadata
from yolorknn.progress import Progress
from yolorknn.runtime.backend import Backend
from yolorknn.runtime.cores import Runtime, runtimes
from yolorknn.runtime.memory import resident_mb
from yolorknn.runtime.pool import BackendPool
from yolorknn.stream.result import Timings
from yolorknn.stream.sources.images import Images
from yolorknn.stream.sources.open_source import open_source
from yolorknn.stream.sources.source import Source
from yolorknn.stream.stages import Stages
from yolorknn.stream.stream import Stream
from yolorknn.stream.tiled import Tiling, check_tiled, stages_of
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
    runtime: Runtime | None = None,
    contexts: int = 2,
    tiling: Tiling | None = None,
    anchors: AnchorSizes | None = None,
    progress: Progress | None = None,
) -> BenchReport:
    """Measure a model with 1..n cores, each with a worker for every core and with one more; then with more contexts.

    Args:
        model: an .onnx, or on a board a .rknn; with `npu_ms` either, anywhere.
        source: its first KEPT_FRAMES frames are used over and over; default is made-up pictures of FRAME_SIZE.
        seconds: how long each setting runs.
        npu_ms: replace inference by a simulated NPU that holds a core so long.
        cores: of the simulated NPU.
        fps: give the frames as a live camera would, dropping old ones; default is as fast as they are taken.
        conf: confidence threshold.
        runtime: of a board's two; None for each that there is, and whether their boxes agree.
        contexts: the most on each core of a board; a live camera has one.
        tiling: how frames are cut; each setting then has one worker, and two, that share the cores.
        anchors: sizes of anchor boxes, for a model that has such and no metadata.
        progress: told each setting.

    Raises:
        ModelError: see Detector.
        BackendError: no runtime runs it.
        SourceError: the source cannot be read.
    """
    bench_one = functools.partial(
        _bench_one,
        images=_images(source),
        thresholds=Thresholds(conf=conf),
        seconds=seconds,
        fps=fps,
        tiling=tiling,
        progress=progress,
    )
    if tiling is not None:
        check_tiled(model, read_metadata(model, anchors=anchors), tiling)
    why, npu = "", "real"
    if npu_ms is not None:
        npu = f"simulated, {npu_ms:g} ms an inference"
        metadata = read_metadata(model, anchors=anchors)
        simulated = Opened(metadata, [SimulatedNpu(metadata, npu_ms) for _ in range(cores)])
        measured = [bench_one("simulated", opening=lambda: simulated)]
    elif model.suffix.lower() != ".rknn":
        npu = NO_NPU
        measured = [bench_one(ONNXRUNTIME, opening=lambda: Opened(*open_model(model, anchors=anchors)))]
    elif first_metadata(model) is not None:  # which has one runtime, and one context
        measured = [bench_one("lite", opening=lambda: Opened(*open_model(model)))]
    else:
        most, measured = 1 if fps is not None else contexts, []
        for kind in runtimes() if runtime is None else (runtime,):
            opening = functools.partial(_opened, model, kind, most, anchors)
            try:
                measured.append(bench_one(kind, opening=opening))
            except (BackendError, MissingDependencyError) as exc:
                why = refused(kind, runtime, exc)
    runs = with_memory([run for one in measured for run in one.runs])
    return BenchReport(
        model=str(model),
        npu=npu,
        source=shown_url(source) if source else f"made-up pictures of {FRAME_SIZE[1]}x{FRAME_SIZE[0]}",
        runs=runs,
        best=best_of(runs),
        first_s=round(measured[0].first, 3),
        memory_mb=resident_mb(),
        compared="; ".join(filter(None, [why or compared(measured), *(one.refused for one in measured)])),
    )


class Opened(NamedTuple):
    """A model that is to be measured."""

    metadata: ModelMetadata
    backends: Sequence[Backend]
    contexts: int = 1
    """On each core."""
    refused: str = ""
    """Why there are no more."""


def _opened(model: Path, runtime: Runtime, most: int, anchors: AnchorSizes | None) -> Opened:
    """Open as many contexts on each core as there is memory for.

    Raises:
        BackendError: there is none for one.
    """
    try:
        return Opened(*open_model(model, anchors=anchors, runtime=runtime, contexts=most), most)
    except BackendError as exc:
        if most == 1:
            raise
        fewer = _opened(model, runtime, most - 1, anchors)
        return fewer._replace(refused=fewer.refused or f"{runtime} has no {most} contexts on each core: {exc}")


def _bench_one(
    runtime: str,
    *,
    images: Sequence[Image],
    thresholds: Thresholds,
    seconds: float,
    fps: float | None,
    tiling: Tiling | None,
    progress: Progress | None,
    opening: Callable[[], Opened],
) -> Benched:
    start = time.perf_counter()
    metadata, backends, contexts, refused = opening()
    cores = len(backends) // contexts
    settings = [(some, 1, some + more) for some in range(1, cores + 1) for more in (0, 1)]
    settings += [(cores, several, cores * several) for several in range(2, contexts + 1)]
    if tiling is not None:  # the tiles of one frame keep all cores at work
        settings = list(dict.fromkeys((some, several, min(workers, 2)) for some, several, workers in settings))
    runs = []
    try:
        first = stages_of(BackendPool(backends[:1]), metadata, thresholds, tiling)
        found = [first.run(images[0])]
        seconds_to_first = time.perf_counter() - start
        for number, (some, several, workers) in enumerate(settings):
            if progress:
                progress(f"{runtime}: {some} cores, {several} contexts, {workers} workers", number / len(settings))
            feed: Source = Images(itertools.cycle(images)) if fps is None else Paced(images, fps)
            used = backends[: some * several]
            stages = stages_of(BackendPool(used), metadata, thresholds, tiling)
            run = _run(stages, feed, seconds, workers, live=fps is not None)
            run = replace(run, cores=some, contexts=several, runtime=runtime, npu_mb=_npu_mb(used))
            if runtime == ONNXRUNTIME and run.limit == "NPU":
                run = replace(run, limit=ONNXRUNTIME)
            runs.append(run if tiling is None else replace(run, tiles_per_s=run.fps * tiling.views_each(images)))
        found += [first.run(image) for image in images[1:]]
    finally:
        for backend in reversed(backends):
            backend.close()
    return Benched(runtime, runs, seconds_to_first, found, refused)


def _npu_mb(backends: Sequence[Backend]) -> float | None:
    """Return the MiB that the contexts take by librknnrt's own count; None where that is not known."""
    said = [memory() if (memory := getattr(backend, "memory", None)) else None for backend in backends]
    known = [memory.total for memory in said if memory is not None]
    return round(sum(known) / 2**20, 1) if len(known) == len(backends) else None


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
        lost=stream.lost,
        busy=min(busy, 1.0),
        latency_ms=percentiles(latency),
        stages_ms={name: percentiles(table[:, i]) for i, name in enumerate(Timings._fields)},
        limit=_limit(busy, reading[0] / elapsed, live=live),
    )


def _limit(busy: float, reading: float, *, live: bool) -> str:
    """Say what is always busy: the cores, the reading of the source, or else the CPU's share of the work."""
    if busy > 0.95:
        return "NPU"
    return "source" if live or reading > 0.8 else "CPU"
