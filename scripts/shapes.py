"""What the rendered scenes show: six toy objects, and a puppet with the 17 keypoints of a person."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Points = NDArray[np.float64]
Part = tuple[Points, float]  # a polygon in the unit square [-1, 1]^2, y down, and the brightness it is filled with

HEAD = (0.0, -0.74)
PUPPET = "puppet"


@dataclass(frozen=True)
class Shape:
    """What is drawn, in a unit square [-1, 1]^2, y down."""

    parts: tuple[Part, ...]
    keypoints: Points = field(default_factory=lambda: np.zeros((0, 2)))
    """(K, 2)."""
    stroke: float = 0.0
    """Where it is an outline: the line's width."""


def circle(x: float, y: float, radius: float) -> Points:
    """Return a 40-sided polygon around (x, y)."""
    angle = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    return np.stack([x + radius * np.cos(angle), y + radius * np.sin(angle)], axis=1)


def rect(x1: float, y1: float, x2: float, y2: float) -> Points:
    """Return the four corners of an axis-aligned rectangle."""
    return np.array([[x1, y1], [x2, y1], [x2, y2], [x1, y2]], float)


def star() -> Points:
    """Return a five-pointed star."""
    angle = np.arange(10) * np.pi / 5 - np.pi / 2
    radius: Points = np.where(np.arange(10) % 2, 0.42, 1.0)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)


def limb(start: Points, end: Points, radius: float) -> Points:
    """Return a polygon around a line, round at both ends."""
    towards = np.arctan2(*(end - start)[::-1])
    angle = np.linspace(-np.pi / 2, np.pi / 2, 12)
    arc = np.stack([np.cos(towards + angle), np.sin(towards + angle)], axis=1) * radius
    return np.concatenate([end + arc, start - arc])


TOYS: dict[str, Shape] = {
    "ball": Shape(((circle(0, 0, 0.9), 0.75), (circle(-0.1, -0.1, 0.7), 0.95), (circle(-0.3, -0.35, 0.22), 1.5))),
    "bottle": Shape(
        (
            (rect(-0.42, -0.25, 0.42, 1.0), 0.9),
            (rect(-0.17, -0.8, 0.17, -0.2), 0.9),
            (rect(-0.22, -1.0, 0.22, -0.78), 0.4),
            (rect(-0.42, 0.1, 0.42, 0.6), 1.6),
        )
    ),
    "box": Shape(
        (
            (np.array([[-0.9, -0.4], [0.0, 0.0], [0.0, 1.0], [-0.9, 0.6]]), 0.6),
            (np.array([[0.0, 0.0], [0.9, -0.4], [0.9, 0.6], [0.0, 1.0]]), 0.9),
            (np.array([[-0.9, -0.4], [0.0, -0.85], [0.9, -0.4], [0.0, 0.0]]), 1.3),
        )
    ),
    "cone": Shape(
        (
            (np.array([[0.0, -1.0], [0.6, 0.75], [-0.6, 0.75]]), 1.0),
            (np.array([[-0.26, -0.25], [0.26, -0.25], [0.42, 0.2], [-0.42, 0.2]]), 1.8),
            (rect(-0.9, 0.75, 0.9, 1.0), 0.7),
        )
    ),
    "ring": Shape(((circle(0, 0, 0.75), 1.0),), stroke=0.42),
    "star": Shape(((star(), 1.0), (star() * 0.6, 1.25))),
}


def puppet(rng: Generator) -> Shape:
    """Return a puppet that faces us, its arms and legs somewhere, with COCO's keypoints of a person in their order."""
    nose, eyes, ears = [[0, 0.02]], [[0.08, -0.05], [-0.08, -0.05]], [[0.2, 0], [-0.2, 0]]
    face = np.array([*nose, *eyes, *ears]) + HEAD
    shoulders, hips = np.array([[0.24, -0.4], [-0.24, -0.4]]), np.array([[0.15, 0.16], [-0.15, 0.16]])
    elbows, wrists = _chain(shoulders, rng.uniform(0.1, 2.6, 2), rng.uniform(-1.0, 1.4, 2), (0.32, 0.32))
    knees, ankles = _chain(hips, rng.uniform(-0.1, 0.8, 2), rng.uniform(-0.6, 0.2, 2), (0.4, 0.4))
    trunk = [[0.29, -0.44], [-0.29, -0.44], [-0.23, 0.22], [0.23, 0.22]]
    return Shape(
        (
            *_bones(hips, knees, ankles, radius=0.09, brightness=0.45),
            (np.array(trunk), 1.0),
            *_bones(shoulders, elbows, wrists, radius=0.075, brightness=0.8),
            *((_disc(wrist, 0.085), 1.6) for wrist in wrists),
            (limb(np.array([0, -0.5]), np.array(HEAD), 0.07), 1.4),
            *((_disc(ear, 0.06), 1.2) for ear in face[3:]),
            (circle(*HEAD, 0.2), 1.5),
            *((_disc(eye, 0.035), 0.15) for eye in face[1:3]),
            (_disc(face[0], 0.03), 0.8),
        ),
        np.concatenate([face, shoulders, elbows, wrists, hips, knees, ankles]),
    )


def _chain(start: Points, angle: Points, bend: Points, lengths: tuple[float, float]) -> tuple[Points, Points]:
    """Return the middle and the end joints of two limbs, left and right; angles are outwards from straight down."""
    outwards = np.array([1.0, -1.0])  # the puppet's left side is on our right
    ways = [np.stack([np.sin(a) * outwards, np.cos(a)], axis=1) for a in (angle, angle + bend)]
    middle = start + ways[0] * lengths[0]
    return middle, middle + ways[1] * lengths[1]


def _bones(start: Points, middle: Points, end: Points, *, radius: float, brightness: float) -> list[Part]:
    """Return two limbs, left and right, of two parts each."""
    pairs = [pair for side in (0, 1) for pair in ((start[side], middle[side]), (middle[side], end[side]))]
    return [(limb(one, other, radius), brightness) for one, other in pairs]


def _disc(centre: Points, radius: float) -> Points:
    return circle(float(centre[0]), float(centre[1]), radius)
