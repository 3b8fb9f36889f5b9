"""Scenes with known ways, objects that hide one another, and a detector that trembles and misses."""

from __future__ import annotations

import pytest

from tests.fakes.counted import counted, counted_by_supervision

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


@pytest.mark.parametrize("fps", [10, 5])
def test_counts_are_no_worse_than_supervisions(fps: int) -> None:
    """Whose line counts who goes around its end, and not who is first seen beside it; should this fail, ours may go."""
    ours, theirs = counted(fps, range(6)), counted_by_supervision(fps, range(6))
    assert theirs.once > 0.7 * theirs.crossings, "the comparison is of the same line and direction"
    assert ours.once >= theirs.once and ours.besides <= theirs.besides, (ours, theirs)
    assert abs(ours.dwell - ours.true_dwell) < abs(theirs.dwell - theirs.true_dwell), (ours, theirs)
