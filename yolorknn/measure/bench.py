"""How fast a model runs here: latency by stage, throughput by cores and workers, and what limits it."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from yolorknn.detector import Detector
from yolorknn.errors import MissingDependencyError
from yolorknn.files import atomic
from yolorknn.image import Image
from yolorknn.measure.synthetic import FRAME_SIZE, Paced, SimulatedNpu, pictures
from yolorknn.model.read import read_metadata
from yolorknn.open_model import open_backends
from yolorknn.runtime.backend import Backend
from yolorknn.runtime.memory import resident_mb
from yolorknn.stream.result import Timings
from yolorknn.stream.sources.images import Images
from yolorknn.stream.sources.open_source import open_source
from yolorknn.stream.sources.source import Source
from yolorknn.stream.stream import Stream

WARM_UP = 10
"""First frames of each run, not counted."""
KEPT_FRAMES = 30
"""Frames read from a source into memory, so that its decoding is not measured as ours."""


@dataclass(frozen=True)
class Run:
    """One setting and what came of it."""

    cores: int
    workers: int
    frames: int
    fps: float
    dropped: int
    busy: float
    """Share of the time that the cores were held, 0 to 1."""
    latency_ms: dict[str, float]
    """From a frame's capture to its result: p50, p90 and p99."""
    stages_ms: dict[str, dict[str, float]]
    """The same for each stage."""
    limit: str
    """What kept it from being faster: NPU, CPU, or source."""


@dataclass(frozen=True)
class Report:
    """All runs of a model."""

    model: str
    npu: str
    """Real, or simulated at so many ms."""
    source: str
    runs: tuple[Run, ...]
    best: Run
    """The fastest, and among those within 1 % of it the one with the fewest workers."""
    first_s: float
    """Seconds from opening the model to its first detections; imports of the runtime included."""
    memory_mb: float
    """Resident, at the end."""

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)

    def table(self) -> str:
        """Return the runs, and the best one's stages, as text."""
        best = self.best
        lines = [
            f"{self.model}: NPU {self.npu}; {self.source}",
            f"{'cores':>5} {'workers':>7} {'fps':>8} {'dropped':>7} {'core use':>8} {'p50 ms':>8} {'p99 ms':>8}  limit",
            *(
                f"{run.cores:>5} {run.workers:>7} {run.fps:>8.1f} {run.dropped:>7} {run.busy:>8.0%} "
                f"{run.latency_ms['p50']:>8.1f} {run.latency_ms['p99']:>8.1f}  {run.limit}"
                for run in self.runs
            ),
            f"\nbest: {best.cores} cores, {best.workers} workers, {best.fps:.1f} frames/s; its stages in ms",
            f"{'':>12} {'p50':>8} {'p90':>8} {'p99':>8}",
            *(
                f"{name:>12} {stage['p50']:>8.2f} {stage['p90']:>8.2f} {stage['p99']:>8.2f}"
                for name, stage in best.stages_ms.items()
            ),
            f"first detection after {self.first_s:.2f} s; {self.memory_mb:.0f} MB resident",
        ]
        return "\n".join(lines)


class _Shared:
    """A backend that outlives the detectors it is lent to."""

    def __init__(self, backend: Backend) -> None:
        self.infer = backend.infer

    def close(self) -> None:
        pass


def bench(
    model: Path,
    *,
    source: str | None = None,
    seconds: float = 2.0,
    npu_ms: float | None = None,
    cores: int = 3,
    fps: float | None = None,
    conf: float = 0.25,
    progress: Callable[[str, float], None] | None = None,
) -> Report:
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
    backends: Sequence[Backend]
    start = time.perf_counter()
    if npu_ms is None:
        metadata, backends = open_backends(model)
    else:
        metadata = read_metadata(model)
        backends = [SimulatedNpu(metadata, npu_ms) for _ in range(cores)]
    count = len(backends)
    settings = [(some, some + more) for some in range(1, count + 1) for more in (0, 1)]
    runs = []
    try:
        with Detector(model, conf=conf, backends=[_Shared(backends[0])]) as detector:
            detector.detect(images[0])
        first = time.perf_counter() - start
        for number, (some, workers) in enumerate(settings):
            if progress:
                progress(f"{some} cores, {workers} workers", number / len(settings))
            shared = [_Shared(backend) for backend in backends[:some]]
            feed: Source = Images(itertools.cycle(images)) if fps is None else Paced(images, fps)
            with Detector(model, conf=conf, backends=shared) as detector:
                runs.append(_run(detector, feed, seconds, workers, live=fps is not None))
    finally:
        for backend in backends:
            backend.close()
    fastest = max(run.fps for run in runs)
    best = min((run for run in runs if run.fps >= 0.99 * fastest), key=lambda run: (run.cores, run.workers))
    return Report(
        model=str(model),
        npu="real" if npu_ms is None else f"simulated, {npu_ms:g} ms an inference",
        source=source or f"made-up pictures of {FRAME_SIZE[1]}x{FRAME_SIZE[0]}",
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


def _run(detector: Detector, feed: Source, seconds: float, workers: int, *, live: bool) -> Run:
    timings: list[Timings] = []
    with Stream(feed, detector, workers=workers, drop="old" if live else "none") as stream:
        for _ in itertools.islice(stream, WARM_UP):
            pass
        busy, start = sum(detector.busy), time.perf_counter()
        while time.perf_counter() - start < seconds:
            timings.append(next(stream).timings)
        elapsed = time.perf_counter() - start
        busy = (sum(detector.busy) - busy) / elapsed / len(detector.busy)
        dropped = stream.dropped
    table = np.array(timings) * 1000
    latency = table[:, 1:].sum(axis=1)
    reading = (table[:, 0].sum() / 1000, table[:, 2].sum() / 1000)
    return Run(
        cores=len(detector.busy),
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


def plot(report: Report, path: Path) -> None:
    """Draw throughput by setting, and the best setting's stages.

    Raises:
        MissingDependencyError: matplotlib is not installed.
        OutputError: the file cannot be written.
    """
    try:
        from matplotlib.figure import Figure  # noqa: PLC0415
    except ImportError as exc:
        raise MissingDependencyError("matplotlib", "pc", "a plot") from exc
    figure = Figure(figsize=(10, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    names = [f"{run.cores} / {run.workers}" for run in report.runs]
    left.bar(names, [run.fps for run in report.runs], color=[_colour(run, report.best) for run in report.runs])
    left.set(title="frames per second", xlabel="cores / workers")
    stages = report.best.stages_ms
    for kind, shade in (("p99", "0.85"), ("p90", "0.65"), ("p50", "tab:blue")):
        right.barh(list(stages), [stage[kind] for stage in stages.values()], color=shade, label=kind)
    right.set(title=f"ms by stage, {report.best.cores} cores, {report.best.workers} workers")
    right.invert_yaxis()
    right.legend()
    figure.suptitle(f"{Path(report.model).name}: NPU {report.npu}; {report.source}")
    with atomic(path) as temporary:
        figure.savefig(temporary)


def _colour(run: Run, best: Run) -> str:
    return "tab:green" if run is best else "tab:gray"
