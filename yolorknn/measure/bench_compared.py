"""Two runtimes of a board beside each other: which is faster, and whether what they find agrees."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from yolorknn.measure.bench_report import Run
from yolorknn.tasks.agreement import agreement, total, unlike
from yolorknn.tasks.classification import Classification
from yolorknn.tasks.detections import Detections


class Benched(NamedTuple):
    """All runs with one runtime."""

    runtime: str
    runs: list[Run]
    first: float
    """Seconds to the first result."""
    found: list[Detections | Classification]
    """In each image."""
    refused: str = ""
    """Why it was not measured with more contexts."""


def best_of(runs: Sequence[Run]) -> Run:
    """Return the fastest, and among those within 1 % of it the one that needs the least."""
    fastest = max(run.fps for run in runs)
    enough = (run for run in runs if run.fps >= 0.99 * fastest)
    return min(enough, key=lambda run: (run.cores, run.contexts, run.workers))


def compared(measured: Sequence[Benched]) -> str:
    """Return a sentence on two runtimes; empty for one."""
    if len(measured) < 2:
        return ""
    one, other = measured
    slower, faster = sorted((one, other), key=lambda each: best_of(each.runs).fps)
    times = best_of(faster.runs).fps / best_of(slower.runs).fps
    pairs = zip(one.found, other.found, strict=True)
    rows = [agreement(f"frame {number}", *pair) for number, pair in enumerate(pairs)]
    same, differing = total(rows), unlike(rows, 1.0)
    what = "classes" if isinstance(one.found[0], Classification) else "boxes"
    also = "".join(f", their {each.what} in {each.share:.1%}" for each in same.also)
    return (
        f"{faster.runtime} gives {times:.2f} times the frames of {slower.runtime}; their {what} agree in "
        f"{same.share:.1%}{also} ({same.expected} and {same.found} {what} in {len(one.found)} frames)"
        + (f"; of the {differing.what}, {differing.told}" if differing else "")
    )
