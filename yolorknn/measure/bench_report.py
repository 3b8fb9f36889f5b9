"""What bench measured, as values, as text and as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from yolorknn.convert.figure import drawing
from yolorknn.errors import BackendError, MissingDependencyError
from yolorknn.runtime.cores import Runtime, chosen

NO_NPU = "none"
ONNXRUNTIME = "onnxruntime"


def percentiles(values: Sequence[float] | NDArray[Any]) -> dict[str, float]:
    """Return the 50th, 90th and 99th percentile of times in milliseconds, as p50, p90 and p99."""
    return {f"p{p}": round(float(np.percentile(values, p)), 3) for p in (50, 90, 99)}


def refused(kind: str, named: Runtime | None, exc: BackendError | MissingDependencyError) -> str:
    """Return the sentence that says why one of a board's runtimes does not run the model, where another will do.

    Args:
        kind: what was tried.
        named: the one that was asked for, if one was.
        exc: what it said.

    Raises:
        BackendError, MissingDependencyError: `exc`, where this one was asked for, or is the one that is used: a wheel
            that cannot be imported is not.
    """
    broken = kind == "lite" and isinstance(exc, MissingDependencyError)
    if named is not None or (not broken and kind in (ONNXRUNTIME, chosen("auto"))):
        raise exc
    return f"{kind} does not run it: {exc}"


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
    """What kept it from being faster: NPU, or in its place onnxruntime; CPU; or source."""
    runtime: str = ""
    """What ran it: lite or c on a board, onnxruntime, or simulated."""
    contexts: int = 1
    """On each core."""
    npu_mb: float | None = None
    """What the contexts take on the NPU, in MiB, as librknnrt counts it, see with_memory(); None where it does not."""
    tiles_per_s: float | None = None
    """Where frames are cut, their tiles and the whole of each, counted together."""
    lost: int = 0
    """Frames that a core did not answer, which holds up all others."""


@dataclass(frozen=True)
class BenchReport:
    """All runs of a model."""

    model: str
    npu: str
    """Real, or simulated at so many ms; "none" where onnxruntime ran it on the CPU."""
    source: str
    runs: tuple[Run, ...]
    best: Run
    """The fastest, and among those within 1 % of it the one with the fewest workers."""
    first_s: float
    """Seconds from opening the model to its first detections; imports of the runtime included."""
    memory_mb: float
    """Resident, at the end."""
    compared: str = ""
    """On a board with both runtimes: which is faster, and whether what they find agrees; or why one does not run, or
    not with more contexts."""

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)

    @property
    def place(self) -> str:
        """What ran it, in words."""
        return "onnxruntime on the CPU, no NPU" if self.npu == NO_NPU else f"NPU {self.npu}"

    def table(self) -> str:
        """Return the runs, and the best one's stages, as text."""
        best = self.best
        lines = [
            f"{self.model}: {self.place}; {self.source}",
            f"{'runtime':<11} {'cores':>5} {'contexts':>8} {'NPU MB':>6} {'workers':>7} {'fps':>8} {'dropped':>7} "
            f"{'core use':>8} {'p50 ms':>8} {'p99 ms':>8}  limit",
            *(
                f"{run.runtime:<11} {run.cores:>5} {run.contexts:>8} {_mb(run.npu_mb):>6} {run.workers:>7} "
                f"{run.fps:>8.1f} {run.dropped:>7} {run.busy:>8.0%} "
                f"{run.latency_ms['p50']:>8.1f} {run.latency_ms['p99']:>8.1f}  {run.limit}"
                for run in self.runs
            ),
            f"\nbest: {best.cores} cores, {best.contexts} contexts on each, {best.workers} workers, {best.runtime}: "
            f"{best.fps:.1f} frames/s{_tiles(best)}; its stages in ms",
            f"{'':>12} {'p50':>8} {'p90':>8} {'p99':>8}",
            *(
                f"{name:>12} {stage['p50']:>8.2f} {stage['p90']:>8.2f} {stage['p99']:>8.2f}"
                for name, stage in best.stages_ms.items()
            ),
            f"first detection after {self.first_s:.2f} s; {self.memory_mb:.0f} MB resident",
            *(_lost(run) for run in self.runs if run.lost),
            *([self.compared] if self.compared else []),
        ]
        return "\n".join(lines)


def with_memory(runs: Sequence[Run]) -> tuple[Run, ...]:
    """Return the runs of both runtimes, those of lite with their memory, which the wheel does not say.

    Each of its contexts has weights of its own and so takes what librknnrt counts for one of its own that is alone.
    """
    alone = next((run.npu_mb for run in runs if run.runtime == "c" and run.cores * run.contexts == 1), None)
    return tuple(
        run
        if run.runtime != "lite" or alone is None
        else replace(run, npu_mb=round(alone * run.cores * run.contexts, 1))
        for run in runs
    )


def _lost(run: Run) -> str:
    where = f"{run.cores} cores, {run.contexts} contexts on each, {run.workers} workers, {run.runtime}"
    return f"{where}: {run.lost} frames lost to a hung NPU core, by which this is slower: see 'yolorknn doctor'"


def _tiles(run: Run) -> str:
    return "" if run.tiles_per_s is None else f", {run.tiles_per_s:.1f} tiles/s"


def _mb(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def draw(report: BenchReport, path: Path) -> None:
    """Draw throughput by setting, and the best setting's stages.

    Raises:
        MissingDependencyError: matplotlib is not installed.
        OutputError: the file cannot be written.
    """
    title = f"{Path(report.model).name}: {report.place}; {report.source}"
    with drawing(path, title, columns=2, size=(10, 4)) as (left, right):
        places = range(len(report.runs))  # a name of two runs would be one place, and hide one of them
        left.bar(places, [run.fps for run in report.runs], color=[_colour(run, report.best) for run in report.runs])
        left.set_xticks(places, _names(report.runs))
        left.set(title="frames per second", xlabel="cores / workers")
        left.tick_params(axis="x", rotation=45 if len(places) > 6 else 0)
        stages = report.best.stages_ms
        for kind, shade in (("p99", "0.85"), ("p90", "0.65"), ("p50", "tab:blue")):
            right.barh(list(stages), [stage[kind] for stage in stages.values()], color=shade, label=kind)
        right.set(title=f"ms by stage, {report.best.cores} cores, {report.best.workers} workers")
        right.invert_yaxis()
        right.legend()


def _names(runs: Sequence[Run]) -> list[str]:
    """Return what tells one run from the others; the runtime where there are two."""
    several = len({run.runtime for run in runs}) > 1
    return [
        f"{run.runtime} " * several + f"{run.cores} / {run.workers}" + f", {run.contexts} contexts" * (run.contexts > 1)
        for run in runs
    ]


def _colour(run: Run, best: Run) -> str:
    return "tab:green" if run is best else "tab:gray"
