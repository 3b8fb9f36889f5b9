"""The picture that bench draws: a bar for each setting, each with a name of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from yolorknn.measure import bench_report
from yolorknn.measure.bench_report import BenchReport, Run, draw
from yolorknn.stream.result import Timings


def test_no_run_hides_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both runtimes of a board have the same cores and workers, and of tiles one and more contexts too."""
    figure = pytest.importorskip("matplotlib.figure").Figure()
    axes = figure.subplots(1, 2)

    @contextmanager
    def drawing(*_: object, **__: object) -> Iterator[Any]:
        yield axes

    monkeypatch.setattr(bench_report, "drawing", drawing)
    times = {"p50": 1.0, "p90": 2.0, "p99": 3.0}
    runs = tuple(
        Run(
            cores=3, workers=2, frames=9, fps=30.0, dropped=0, busy=1.0, latency_ms=times,
            stages_ms=dict.fromkeys(Timings._fields, times), limit="NPU", runtime=runtime, contexts=contexts,
        )
        for runtime in ("lite", "c")
        for contexts in (1, 2)
    )  # fmt: skip
    draw(BenchReport("m.rknn", "real", "pictures", runs, runs[0], 1.0, 99.0), Path("b.png"))
    left = axes[0]
    assert len({bar.get_x() for bar in left.patches}) == len(runs)
    assert [label.get_text() for label in left.get_xticklabels()] == [
        "lite 3 / 2",
        "lite 3 / 2, 2 contexts",
        "c 3 / 2",
        "c 3 / 2, 2 contexts",
    ]
