"""Scenes of moving boxes with known ways: what a detector says of them at any frame rate, and what really happened.

A scene is a pure function of its seed. Objects walk between points, stop, hide one another, and leave the picture; the
detector's boxes tremble, some are missed, and some are of nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tests.fakes.results import detections
from yolorknn import Detections, Result, Timings
from yolorknn.stream.scene import Event
from yolorknn.stream.step import Step

SIZE = (640, 360)
SECONDS = 20.0
TREMBLE = 0.015
"""Of a box's size, standard deviation of each side."""
MISSED = 0.03
HIDDEN = 0.6
"""Share of an object that others may cover before it is not found."""
GHOSTS = 0.02
"""Boxes of nothing in a frame."""


@dataclass(frozen=True)
class Walker:
    """An object on its way."""

    times: NDArray[np.float64]
    """(K,) seconds, growing."""
    feet: NDArray[np.float64]
    """(K, 2) where its bottom middle is then, in pixels."""
    size: tuple[float, float]
    """Width and height."""
    class_id: int

    def at(self, moment: float) -> NDArray[np.float64] | None:
        """Return its box; None where it is not there."""
        if not self.times[0] <= moment <= self.times[-1]:
            return None
        x, y = (float(np.interp(moment, self.times, self.feet[:, axis])) for axis in (0, 1))
        width, height = self.size
        return np.array([x - width / 2, y - height, x + width / 2, y])


def scene(seed: int, count: int = 6) -> list[Walker]:
    """Return objects that come from the sides at different times and depths, some of which stop on their way."""
    rng = np.random.default_rng(seed)
    walkers = []
    for _ in range(count):
        depth = rng.uniform(0.45, 0.95)
        height = 60 + 140 * (depth - 0.45)
        width = height * rng.uniform(0.4, 0.7)
        y = depth * SIZE[1]
        left = rng.random() < 0.5
        a, b = (-width, SIZE[0] + width) if left else (SIZE[0] + width, -width)
        begin, speed = rng.uniform(0, 6), rng.uniform(70, 160)
        stop = rng.uniform(0.2, 0.8)
        rest = rng.choice([0.0, 2.0, 4.0])
        middle = a + (b - a) * stop
        drift = rng.uniform(-20, 20)
        first = begin + abs(middle - a) / speed
        second = first + rest
        last = second + abs(b - middle) / speed
        times = np.array([begin, first, second + 1e-3, last])
        feet = np.array([[a, y], [middle, y + drift * stop], [middle, y + drift * stop], [b, y + drift]])
        walkers.append(Walker(times, feet, (width, height), int(rng.integers(0, 2))))
    return walkers


def frames(
    walkers: list[Walker], fps: float, seed: int = 0, seconds: float = SECONDS
) -> Iterator[tuple[float, Detections]]:
    """Give the moment of each frame, and what a detector says of it."""
    rng = np.random.default_rng([seed, int(fps)])
    for number in range(int(seconds * fps)):
        moment = number / fps
        yield moment, _seen(walkers, moment, rng)


def _seen(walkers: list[Walker], moment: float, rng: np.random.Generator) -> Detections:
    there = [(walker, box) for walker in walkers if (box := walker.at(moment)) is not None]
    there.sort(key=lambda each: each[1][3])  # whose feet are lower is nearer
    found = []
    for number, (walker, box) in enumerate(there):
        clipped = np.clip(box, 0, [SIZE[0], SIZE[1], SIZE[0], SIZE[1]])
        if _area(clipped) < 0.3 * _area(box):
            continue
        covered = max((_common(clipped, nearer) for _, nearer in there[number + 1 :]), default=0.0) / _area(clipped)
        if covered > HIDDEN or rng.random() < MISSED:
            continue
        sides = np.tile([box[2] - box[0], box[3] - box[1]], 2) * rng.normal(0, TREMBLE, 4)
        shown = np.clip(clipped + sides, 0, [SIZE[0], SIZE[1], SIZE[0], SIZE[1]])
        found.append((tuple(shown), float(rng.uniform(0.5, 0.95) - 0.3 * covered), walker.class_id))
    if rng.random() < GHOSTS:
        x, y = rng.uniform(0, SIZE[0] - 40), rng.uniform(0, SIZE[1] - 60)
        found.append(((x, y, x + 40, y + 60), 0.3, 0))
    return detections(*found)


def _area(box: NDArray[np.float64]) -> float:
    return float(max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1]))


def _common(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    return _area(np.concatenate([np.maximum(one[:2], other[:2]), np.minimum(one[2:], other[2:])]))


def seen(step: Step, frames: Iterable[tuple[float, Detections]], *, epoch: int = 0) -> list[Event]:
    """Give a step the frames of a video, and return what it says.

    Args:
        step: is told of the epoch first.
        frames: moment and what was found.
        epoch: of the frames.
    """
    step.begin(epoch)
    events: list[Event] = []
    for number, (moment, found) in enumerate(frames):
        events += step.apply(video_frame(number, moment, found, epoch)).events
    return events


def video_frame(number: int, moment: float, found: Detections, epoch: int = 0) -> Result[Detections]:
    """Return a result of a black picture of SIZE that takes no memory."""
    black = np.broadcast_to(np.uint8(0), (SIZE[1], SIZE[0], 3))
    return Result(black, number, moment, found, Timings(0, 0, 0, 0, 0, 0), "clip.mp4", "video", epoch=epoch)


def walk(*feet: tuple[float, float, float], fps: float = 10.0, size: float = 40.0) -> list[tuple[float, Detections]]:
    """Return the frames of one object whose feet are at x, y at a moment, between those on a straight way."""
    moments = np.array([moment for moment, _, _ in feet])
    frames = []
    for number in range(int(moments[-1] * fps) + 1):
        x, y = (float(np.interp(number / fps, moments, [each[axis] for each in feet])) for axis in (1, 2))
        frames.append((number / fps, detections(((x - size / 2, y - size, x + size / 2, y), 0.9, 0))))
    return frames
