"""Eight cameras, of which one fails every five seconds: the others do not notice, and it comes back."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fakes.soak import FAULTS, Figures, soak

pytest.importorskip("av", reason="PyAV is not installed")
SHORT = 130.0
"""Seconds in which each fault comes twice."""


def check(figures: Figures) -> None:
    """What holds however long it went on."""
    assert figures.damaged == 0, figures
    assert figures.threads <= 0 and figures.files <= 0, figures
    grown = figures.held[-1] - figures.held[len(FAULTS) - 1]  # once each has come, all has been allocated
    assert grown <= 0.05 * figures.held[-1], figures
    for name, outage, seconds in figures.back:
        assert seconds < (2 if outage < 5 else 60), f"back {seconds:.1f} s after '{name}': {figures}"
    assert min(figures.served.values()) > 0, figures


@pytest.mark.slow
def test_cameras_that_fail_in_turn(tmp_path: Path) -> None:
    figures = soak(tmp_path, SHORT)
    assert {name for name, _, _ in figures.back} == {fault.name for fault in FAULTS}
    check(figures)


@pytest.mark.slow
def test_cameras_that_ask_for_more_than_there_is_have_equal_shares(tmp_path: Path) -> None:
    """Eight of 10 frames a second, where the cores have 40."""
    served = soak(tmp_path, 20, inference=0.075, faults=False).served.values()
    assert max(served) <= 1.1 * min(served), served


@pytest.mark.exhaustive
def test_cameras_that_fail_in_turn_for_half_an_hour(tmp_path: Path) -> None:
    figures = soak(tmp_path, 1800)
    print(figures)
    check(figures)
