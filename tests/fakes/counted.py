"""What tracking says of scenes with known ways, beside what really happened."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np

from tests.fakes.moving import SECONDS, SIZE, Walker, frames, scene, seen, video_frame
from yolorknn.stream.scene import LineEvent, ZoneEvent
from yolorknn.tasks.detections import Detections, import_supervision
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


class Said(NamedTuple):
    """Of one scene."""

    crossings: list[float]
    """Moments, those to the left negative."""
    dwell: float


def counted(fps: float, seeds: Iterable[int], objects: int = 6) -> Figures:
    """Track scenes, each with a tracker of its own."""
    return _figures(_ours, fps, seeds, objects)


def counted_by_supervision(fps: float, seeds: Iterable[int], objects: int = 6) -> Figures:
    """Give supervision's LineZone and PolygonZone the numbers of the same tracker, and the same anchor."""
    return _figures(_supervisions, fps, seeds, objects)


Shown = list[tuple[float, Detections]]


def _figures(say: Callable[[Shown, float], Said], fps: float, seeds: Iterable[int], objects: int) -> Figures:
    every = [_scene(say, fps, seed, objects) for seed in seeds]
    return Figures(*(sum(column) for column in zip(*every, strict=True)))


def _scene(say: Callable[[Shown, float], Said], fps: float, seed: int, objects: int) -> Figures:
    walkers = scene(seed, objects)
    shown = list(frames(walkers, fps, seed))
    begun = time.process_time()
    said = say(shown, fps)
    spent = time.process_time() - begun
    truth = crossings(walkers, SIZE[0] / 2)
    once = _right(truth, said.crossings)
    boxes = sum(len(found) for _, found in shown)
    besides = len(said.crossings) - once
    return Figures(len(truth), once, besides, said.dwell, _inside(walkers), len(shown), boxes, spent)


def _ours(shown: Shown, fps: float) -> Said:
    events = seen(Tracking({0: "a", 1: "b"}, zones=[MIDDLE], lines=[GATE]), shown)
    crossed = [event for event in events if isinstance(event, LineEvent)]
    return Said(
        [event.timestamp * (1 if event.direction == "in" else -1) for event in crossed],
        sum(event.seconds for event in events if isinstance(event, ZoneEvent)),
    )


def _supervisions(shown: Shown, fps: float) -> Said:
    supervision = import_supervision()
    where = [supervision.Position.BOTTOM_CENTER]
    gate = supervision.LineZone(
        *(supervision.Point(x * SIZE[0], y * SIZE[1]) for x, y in (GATE.start, GATE.end)), where
    )
    middle = supervision.PolygonZone((np.array(MIDDLE.polygon) * SIZE).astype(np.int64), where)
    tracking = Tracking({0: "a", 1: "b"})
    tracking.begin(0)
    said, inside = [], 0
    for number, (moment, found) in enumerate(shown):
        tracked = tracking.apply(video_frame(number, moment, found)).detections.to_supervision()
        for crossed, sign in zip(gate.trigger(tracked), (1, -1), strict=True):
            said += [moment * sign] * int(crossed.sum())
        inside += int(middle.trigger(tracked).sum())
    return Said(said, inside / fps)


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
