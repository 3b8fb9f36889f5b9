"""Scenes with known ways, objects that hide one another, and a detector that trembles and misses."""

from __future__ import annotations

import pytest

from tests.fakes.counted import counted

pytest.importorskip("trackers", reason="trackers is not installed")
pytestmark = pytest.mark.track


def test_crossings_and_dwell_are_the_same_at_any_frame_rate() -> None:
    figures = {fps: counted(fps, range(6)) for fps in (30, 10, 5)}
    for found in figures.values():
        assert found.crossings > 30 and found.once >= 0.95 * found.crossings, figures
        assert found.besides <= 0.02 * found.crossings, figures
        assert found.dwell == pytest.approx(found.true_dwell, rel=0.08), figures
    said = {fps: found.once + found.besides for fps, found in figures.items()}
    for fps in (10, 5):
        assert said[fps] == pytest.approx(said[30], rel=0.05), figures
        assert figures[fps].dwell == pytest.approx(figures[30].dwell, rel=0.05), figures
