"""What tracking says of scenes with known ways, beside what really happened."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from tests.fakes.moving import SECONDS, SIZE, Walker, frames, scene, seen
from yolorknn.stream.scene import LineEvent, ZoneEvent
from yolorknn.tracking.tracking import Tracking
from yolorknn.tracking.zones import Line, Zone

GATE = Line("gate", (0.5, 0), (0.5, 1))
MIDDLE = Zone("middle", ((0.4, 0), (0.6, 0), (0.6, 1), (0.4, 1)))
NEAR = 1.0
"""Seconds by which a crossing that is said may be off."""


class Figures(NamedTuple):
    """Of several scenes."""

    crossings: int
    once: int
    """Of them, said once, in their direction and near their moment."""
    besides: int
    """Said, and none."""
    dwell: float
    """Seconds in the zone, said."""
    true_dwell: float
    frames: int
    boxes: int
    cpu: float
    """Seconds of this process."""


def counted(fps: float, seeds: Iterable[int], objects: int = 6) -> Figures:
    """Track scenes, each with a tracker of its own."""
    every = [_scene(fps, seed, objects) for seed in seeds]
    return Figures(*(sum(column) for column in zip(*every, strict=True)))


def _scene(fps: float, seed: int, objects: int) -> Figures:
    walkers = scene(seed, objects)
    shown = list(frames(walkers, fps, seed))
    begun = time.process_time()
    events = seen(Tracking({0: "a", 1: "b"}, zones=[MIDDLE], lines=[GATE]), shown)
    spent = time.process_time() - begun
    truth = crossings(walkers, SIZE[0] / 2)
    crossed = [event for event in events if isinstance(event, LineEvent)]
    said = [event.timestamp * (1 if event.direction == "in" else -1) for event in crossed]
    dwell = sum(event.seconds for event in events if isinstance(event, ZoneEvent))
    once = _right(truth, said)
    boxes = sum(len(found) for _, found in shown)
    return Figures(len(truth), once, len(said) - once, dwell, _inside(walkers), len(shown), boxes, spent)


def crossings(walkers: list[Walker], x: float, seconds: float = SECONDS) -> list[float]:
    """Return when feet cross an upright line, to the right as positive moments, to the left as negative."""
    moments = []
    for walker in walkers:
        fine = np.arange(walker.times[0], min(walker.times[-1], seconds), 1e-3)
        right = np.interp(fine, walker.times, walker.feet[:, 0]) > x
        moments += [float(fine[i + 1]) * (1 if right[i + 1] else -1) for i in np.flatnonzero(right[1:] != right[:-1])]
    return moments


def _right(truth: list[float], said: list[float]) -> int:
    left = list(said)
    for moment in truth:
        near = [one for one in left if abs(one - moment) < NEAR]
        if near:
            left.remove(min(near, key=lambda one: abs(one - moment)))
    return len(said) - len(left)


def _inside(walkers: list[Walker]) -> float:
    """Return for how long feet are in the zone, of those who leave it while the scene lasts."""
    low, high = (MIDDLE.polygon[corner][0] * SIZE[0] for corner in (0, 1))
    total = 0.0
    for walker in walkers:
        fine = np.arange(walker.times[0], walker.times[-1], 1e-3)
        x = np.interp(fine, walker.times, walker.feet[:, 0])
        inside = fine[(x > low) & (x < high)]
        if len(inside) and inside[-1] < SECONDS - MIDDLE.leave_after:
            total += len(inside) * 1e-3
    return total
