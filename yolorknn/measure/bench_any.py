"""How fast a model that is no detector runs here: one run after another, and as many at once as there are contexts."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from yolorknn.data.input_files import made_up
from yolorknn.errors import BackendError, MissingDependencyError
from yolorknn.measure.bench_report import ONNXRUNTIME, percentiles, refused
from yolorknn.predict.runner import Runner
from yolorknn.progress import Progress
from yolorknn.runtime.cores import runtimes
from yolorknn.runtime.memory import resident_mb
from yolorknn.text import printable

WARM_UP = 5
"""First runs of each setting, not counted."""


@dataclass(frozen=True)
class Setting:
    """One setting and what came of it."""

    runtime: str
    """What ran it: lite or c on a board, or onnxruntime."""
    contexts: int
    """On all cores."""
    alone_ms: dict[str, float]
    """Of one run after another: p50, p90 and p99, with the arrays checked and laid out."""
    runs_per_s: float
    """With as many at once as there are contexts."""
    busy: float
    """Share of that time that the cores were in use, 0 to 1."""


@dataclass(frozen=True)
class AnyReport:
    """All settings of a model."""

    model: str
    settings: tuple[Setting, ...]
    first_s: float
    """Seconds from opening the model to its first outputs."""
    memory_mb: float
    """Resident, at the end."""
    refused: str = ""
    """Why one of a board's runtimes does not run it, or not with as many contexts."""

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)

    def table(self) -> str:
        """Return it as lines for people."""
        lines = [
            f"{printable(self.model)}, on made-up inputs",
            f"{'runtime':<11} {'contexts':>8} {'p50 ms':>8} {'p90 ms':>8} {'p99 ms':>8} {'runs/s':>9} {'in use':>7}",
        ]
        for one in self.settings:
            alone = " ".join(f"{one.alone_ms[name]:>8.2f}" for name in ("p50", "p90", "p99"))
            lines.append(f"{one.runtime:<11} {one.contexts:>8} {alone} {one.runs_per_s:>9.1f} {one.busy:>7.0%}")
        lines.append(f"first outputs after {self.first_s:.2f} s; {self.memory_mb:.0f} MB resident")
        return "\n".join([*lines, self.refused] if self.refused else lines)


def bench_any(
    model: Path,
    *,
    seconds: float = 2.0,
    runtime: Literal["lite", "c"] | None = None,
    contexts: int = 2,
    progress: Progress | None = None,
) -> AnyReport:
    """Measure a model on onnxruntime, or on a board with each of the two runtimes and 1 to `contexts` on a core.

    Args:
        model: an .onnx, or on a board a .rknn.
        seconds: how long each setting runs, alone and at once.
        runtime: of a board's two; None for each that there is.
        contexts: the most on each core of a board.
        progress: told each setting.

    Raises:
        ModelError, BackendError, MissingDependencyError: see Runner.
    """
    settings: list[Setting] = []
    first, why = 0.0, ""
    for kind, several in _settings(model, runtime, contexts):
        if progress:
            progress(f"{kind}: {several} contexts", 0.0)
        start = time.perf_counter()
        try:
            with Runner(model, runtime="auto" if kind == ONNXRUNTIME else kind, contexts=several) as runner:
                setting, seconds_to_first = _measured(runner, kind, several, seconds, start)
        except (BackendError, MissingDependencyError) as exc:
            if any(one.runtime == kind for one in settings):
                why = f"{kind} has no {several} contexts on each core: {exc}"
            else:
                why = refused(kind, runtime, exc)
            continue
        first = first or seconds_to_first
        settings.append(setting)
    return AnyReport(str(model), tuple(settings), round(first, 3), resident_mb(), why)


def _settings(model: Path, runtime: Literal["lite", "c"] | None, contexts: int) -> Iterator[tuple[Any, int]]:
    if model.suffix.lower() != ".rknn":
        yield ONNXRUNTIME, 1
        return
    yield from itertools.product(runtimes() if runtime is None else (runtime,), range(1, contexts + 1))


def _measured(runner: Runner, kind: str, several: int, seconds: float, start: float) -> tuple[Setting, float]:
    rng = np.random.default_rng(0)
    inputs = {tensor.name: made_up(tensor, rng) for tensor in runner.inputs}
    runner.run(inputs)
    first = time.perf_counter() - start
    for _ in range(WARM_UP):
        runner.run(inputs)
    took: list[float] = []
    begin = time.perf_counter()
    while time.perf_counter() - begin < seconds:
        before = time.perf_counter()
        runner.run(inputs)
        took.append(1000 * (time.perf_counter() - before))
    stream = runner.stream(itertools.repeat(inputs))
    for _ in itertools.islice(stream, WARM_UP):
        pass
    held, begin, count = sum(runner.busy), time.perf_counter(), 0
    while time.perf_counter() - begin < seconds:
        next(stream)
        count += 1
    elapsed = time.perf_counter() - begin
    busy = (sum(runner.busy) - held) / elapsed / len(runner.busy)
    del stream  # joins its threads
    return Setting(kind, several * len(runner.busy), percentiles(took), count / elapsed, min(busy, 1.0)), first
