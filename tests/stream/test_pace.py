"""How often a source is tried again, and which frames of it are wanted."""

from __future__ import annotations

import itertools
import math
import random

import pytest

from yolorknn.stream.backoff import LONGEST, Backoff
from yolorknn.stream.rate import Rate
from yolorknn.stream.sources.pace import Pace
from yolorknn.stream.sources.returning import DENIED, QUICK


def test_waits_double_to_a_minute_and_begin_anew() -> None:
    backoff = Backoff(quick=QUICK, chance=lambda _, __: 0.0)
    assert [backoff.wait() for _ in range(QUICK + 8)] == [1] * QUICK + [2, 4, 8, 16, 32, 60, 60, 60]
    backoff.reset()
    assert backoff.wait() == 1
    assert backoff.wait(at_least=DENIED) == DENIED
    assert backoff.wait(at_least=math.inf) == LONGEST


def test_a_camera_away_for_less_than_five_seconds_is_asked_again_within_one() -> None:
    """Whatever chance gives; and one that is off for long within a minute."""
    for seed in range(200):
        backoff = Backoff(quick=QUICK, chance=random.Random(seed).uniform)
        waits = [backoff.wait() for _ in range(30)]
        moments = list(itertools.accumulate(waits))
        assert all(wait <= 1 for wait, moment in zip(waits, moments, strict=True) if moment - wait < 5)
        assert max(waits) <= 0.75 * LONGEST


def test_cameras_lost_together_do_not_come_back_together() -> None:
    waits = {Backoff(chance=random.Random(seed).uniform).wait() for seed in range(20)}
    assert len(waits) == 20 and max(waits) - min(waits) > 0.1


@pytest.mark.parametrize("wanted", [1, 5, 7.5, 10, 25, 100])
def test_pace(wanted: float) -> None:
    """Over 20 s of frames at 25 a second, each up to 5 ms early or late."""
    chance, pace = random.Random(1), Pace(wanted)
    moments = [100 + number / 25 + chance.uniform(-0.005, 0.005) for number in range(500)]
    taken = [moment for moment in moments if pace.due(moment)]
    assert min(wanted, 25) * 20 * 0.9 <= len(taken) <= min(wanted, 25) * 20 + 1


def test_all_are_wanted_without_a_pace_in_whatever_order_they_come() -> None:
    pace = Pace(None)
    assert all(pace.due(moment) for moment in (1, 1, 4, 2, 3))


def test_rate_is_measured_and_sinks() -> None:
    rate = Rate()
    assert rate.fps(100) == 0
    for number in range(100):
        rate.add(number / 21)
    assert rate.fps(99 / 21) == pytest.approx(21)
    assert rate.fps(99 / 21 + 100) < 1
