"""Render labelled scenes: python scripts/render_scenes.py FOLDER --count 40 --seed 7 [--task segment].

Every scene is a pure function of (task, seed, index), so a set can be made again anywhere. Scenes are drawn at twice
their size and shrunk, which smooths the edges. Objects hidden by more than half, or smaller than MIN_SIDE pixels, carry
no label; boxes and masks are of an object's visible pixels, as in COCO.

- detect and segment have the same scenes, of six toy objects;
- obb has the toys turned any way, none cut by the edges: a label is the whole object's smallest box in its own turn;
- pose has puppets with the 17 keypoints of a person; those hidden are marked as such;
- classify has one toy an image, somewhere in its middle.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from shapes import PUPPET, TOYS, Points, Shape, puppet

TaskName = Literal["detect", "segment", "pose", "obb", "classify"]
TASKS: tuple[TaskName, ...] = get_args(TaskName)
NAMES = tuple(TOYS)
MIN_SIDE = 12
MIN_VISIBLE = 0.5
SUPERSAMPLE = 2
SIDES: dict[TaskName, tuple[int, int]] = {"classify": (100, 221)}
COUNTS: dict[TaskName, tuple[int, int]] = {"pose": (0, 5), "classify": (1, 2)}
HALVES: dict[TaskName, tuple[float, float]] = {"pose": (36, 120), "classify": (20, 64)}

Image = NDArray[np.uint8]


def names_of(task: TaskName) -> tuple[str, ...]:
    """Return the classes of a task's scenes."""
    return (PUPPET,) if task == "pose" else NAMES


@dataclass(frozen=True)
class Thing:
    """What a scene shows of an object, in pixels of the image, whose first pixel is from 0 to 1."""

    class_id: int
    box: Points
    """(4,): x1, y1, x2, y2 of what is visible."""
    mask: NDArray[np.bool_]
    """(H, W): the pixels of which at least half show it."""
    corners: Points
    """(4, 2): of the whole object's smallest box in its own turn."""
    keypoints: Points
    """(K, 3): x, y, and 2 where it is visible, 1 where something hides it, 0 where it is beyond the image."""


@dataclass(frozen=True)
class Placed:
    """A shape at its place in the supersampled image."""

    shape: Shape
    half: float
    angle: float
    aspect: float
    centre: Points

    def at(self, points: Points) -> Points:
        """Return where points (N, 2) of the shape are."""
        turn = np.array([[np.cos(self.angle), -np.sin(self.angle)], [np.sin(self.angle), np.cos(self.angle)]])
        return np.asarray((points * [self.half * self.aspect, self.half]) @ turn.T + self.centre)

    @property
    def stroke(self) -> int:
        """Its line's width, where it is an outline; else 0."""
        return max(2, round(self.half * self.shape.stroke)) if self.shape.stroke else 0

    def fill(self, canvas: Image, colour: Points | None = None) -> None:
        """Draw it in a colour, each part as bright as it is; without one as 1."""
        for points, brightness in self.shape.parts:
            placed = np.rint(self.at(points)).astype(np.int32)
            paint = (1.0,) if colour is None else tuple(np.clip(colour * brightness, 0, 255))
            if self.stroke:
                cv2.polylines(canvas, [placed], True, paint, self.stroke)
            else:
                cv2.fillPoly(canvas, [placed], paint)

    def corners(self) -> Points:
        """Return the corners of its smallest box in its own turn, (4, 2)."""
        points = np.concatenate([part for part, _ in self.shape.parts])
        edge = self.stroke / 2 / np.array([self.half * self.aspect, self.half])
        (x1, y1), (x2, y2) = points.min(axis=0) - edge, points.max(axis=0) + edge
        return self.at(np.array([[x1, y1], [x2, y1], [x2, y2], [x1, y2]]))

    def area(self) -> int:
        """Return how many pixels it has, also beyond the picture."""
        reach = SUPERSAMPLE * 200
        whole = np.zeros((2 * reach, 2 * reach), np.uint8)
        Placed(self.shape, self.half, self.angle, self.aspect, np.array([reach, reach], float)).fill(whole)
        return int(cv2.countNonZero(whole))


def background(rng: Generator, height: int, width: int) -> Image:
    """Draw a BGR uint8 (height, width, 3) picture with nothing of any class in it."""
    corners = rng.uniform(30, 225, (2, 2, 3)).astype(np.float32)
    canvas = cv2.resize(corners, (width, height), interpolation=cv2.INTER_LINEAR)
    coarse = rng.normal(0, rng.uniform(0, 16), (height // 24, width // 24, 3)).astype(np.float32)
    grain = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    image = np.clip(np.add(canvas, grain), 0, 255).astype(np.uint8)
    for _ in range(rng.integers(3, 16)):  # clutter that is none of the classes: lines, words, slivers
        a, b = (tuple(int(v) for v in rng.integers(0, (width, height))) for _ in range(2))
        colour = tuple(float(v) for v in rng.uniform(0, 255, 3))
        match rng.integers(3):
            case 0:
                cv2.line(image, a, b, colour, int(rng.integers(1, 14)))
            case 1:
                word = "".join(chr(rng.integers(65, 91)) for _ in range(rng.integers(2, 7)))
                cv2.putText(image, word, a, cv2.FONT_HERSHEY_DUPLEX, rng.uniform(0.5, 2.5), colour, 3)
            case _:
                points = np.array(a) + rng.integers(-90, 90, (int(rng.integers(3, 6)), 2))
                cv2.fillPoly(image, [points.astype(np.int32)], colour)
    return image


def _place(rng: Generator, task: TaskName, size: Points) -> tuple[int, Placed]:
    """Choose an object for a picture of this width and height, and where it is."""
    class_id = int(rng.integers(len(names_of(task))))
    smallest, largest = HALVES.get(task, (16, 80))
    half = SUPERSAMPLE * float(np.exp(rng.uniform(np.log(smallest), np.log(largest))))
    centre = rng.uniform(0, size) * SUPERSAMPLE
    angle, aspect = rng.uniform(-0.6, 0.6), rng.uniform(0.75, 1.3)
    shape = puppet(rng) if task == "pose" else TOYS[NAMES[class_id]]
    if task == "classify":
        half = min(half, SUPERSAMPLE * 0.45 * float(size.min()))
        centre = SUPERSAMPLE * size / 2 + (centre - SUPERSAMPLE * size / 2) * 0.3
    if task != "obb":
        return class_id, Placed(shape, half, angle, aspect, centre)
    placed = Placed(shape, half, angle * np.pi / 0.6, aspect, np.zeros(2))
    low, high = placed.corners().min(axis=0), placed.corners().max(axis=0)
    inside = np.clip(centre, -low, np.maximum(size * SUPERSAMPLE - high - 1, -low))
    return class_id, Placed(shape, half, placed.angle, aspect, inside)


def render(seed: int, index: int, task: TaskName = "detect") -> tuple[Image, list[Thing]]:
    """Render scene `index` of set `seed`.

    Returns the BGR uint8 image (240 to 480 pixels a side, to classify 100 to 220), and what it shows that has a label.
    """
    rng = np.random.default_rng([seed, index])
    height, width = (int(v) for v in rng.integers(*SIDES.get(task, (240, 481)), 2))
    image = background(rng, height * SUPERSAMPLE, width * SUPERSAMPLE)
    owner = np.full(image.shape[:2], -1, np.int16)
    placed = []
    for number in range(int(rng.integers(*COUNTS.get(task, (0, 9))))):
        class_id, one = _place(rng, task, np.array([width, height], float))
        one.fill(image, rng.uniform(40, 235, 3))
        mask = np.zeros(owner.shape, np.uint8)
        one.fill(mask)
        owner[mask > 0] = number
        placed.append((class_id, one))
    seen = [_seen(class_id, one, owner == number) for number, (class_id, one) in enumerate(placed)]
    image = np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
    if rng.random() < 0.3:
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 1.2)), np.uint8)
    noisy = image * rng.uniform(0.6, 1.15) + rng.normal(0, rng.uniform(0, 9), image.shape)
    return np.clip(noisy, 0, 255).astype(np.uint8), [thing for thing in seen if thing is not None]


def _seen(class_id: int, placed: Placed, visible: NDArray[np.bool_]) -> Thing | None:
    """Return an object's labels, where enough of its supersampled pixels is visible."""
    pixels = visible.astype(np.uint8)
    if cv2.countNonZero(pixels) < MIN_VISIBLE * placed.area():
        return None
    x1, y1, across, down = cv2.boundingRect(pixels)
    if min(across, down) < MIN_SIDE * SUPERSAMPLE:
        return None
    box = np.array([x1, y1, x1 + across, y1 + down]) / SUPERSAMPLE
    size = visible.shape[1] // SUPERSAMPLE, visible.shape[0] // SUPERSAMPLE
    mask = cv2.resize(pixels * 100, size, interpolation=cv2.INTER_AREA) >= 50
    points = placed.at(placed.shape.keypoints)
    cells = np.rint(points).astype(int)
    inside = ((cells >= 0) & (cells < visible.shape[::-1])).all(axis=1)
    x, y = cells.clip(0, np.array(visible.shape[::-1]) - 1).T
    marks = np.where(inside, np.where(visible[y, x], 2, 1), 0)
    keypoints = np.column_stack([(points + 0.5) / SUPERSAMPLE, marks])
    return Thing(class_id, box, mask, (placed.corners() + 0.5) / SUPERSAMPLE, keypoints)


def outline(mask: NDArray[np.bool_]) -> Points:
    """Return one polygon (N, 2) of a mask's edge pixels, its parts and holes joined by lines there and back.

    Filled with cv2.fillPoly, as whole pixels, it is the mask, and the lines between its parts.
    """
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    first, *others = sorted((np.asarray(contour)[:, 0] for contour in contours), key=len, reverse=True)
    joined = first
    for other in others:
        apart = np.linalg.norm(joined[:, None] - other[None], axis=2)
        at, to = np.unravel_index(apart.argmin(), apart.shape)
        joined = np.concatenate([joined[: at + 1], other[to:], other[: to + 1], joined[at:]])
    return joined + 0.5


def label(thing: Thing, task: TaskName, size: tuple[int, int]) -> str:
    """Return an object's line for ultralytics; coordinates are shares of the image's (width, height)."""
    x1, y1, x2, y2 = thing.box
    values = (np.array([[(x1 + x2) / 2, (y1 + y2) / 2], [x2 - x1, y2 - y1]]) / size).ravel()
    if task == "segment":
        values = (outline(thing.mask) / size).ravel()
    elif task == "obb":
        values = (thing.corners / size).ravel()
    elif task == "pose":
        points = thing.keypoints * (thing.keypoints[:, 2:] > 0) / [*size, 1]
        values = np.concatenate([values, points.ravel()])
    return " ".join([str(thing.class_id), *(f"{value:.6f}" for value in values)])


def write(folder: Path, *, count: int, seed: int, task: TaskName = "detect") -> Iterator[Path]:
    """Write scenes as folder/images/NNNN.jpg with labels in folder/labels; to classify as folder/CLASS/NNNN.jpg."""
    for name in names_of(task) if task == "classify" else ("images", "labels"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for index in range(count):
        image, things = render(seed, index, task)
        name = f"{index:04d}"
        if task == "classify":
            path = folder / NAMES[things[0].class_id] / f"{name}.jpg"
        else:
            path = folder / "images" / f"{name}.jpg"
            rows = [f"{label(thing, task, (image.shape[1], image.shape[0]))}\n" for thing in things]
            (folder / "labels" / f"{name}.txt").write_text("".join(rows))
        cv2.imwrite(str(path), image, [cv2.IMWRITE_JPEG_QUALITY, 90])
        yield path


def describe(task: TaskName, *, train: str, val: str) -> str:
    """Return the text of a data.yaml whose images are in these folders beside it."""
    names = "".join(f"  {number}: {name}\n" for number, name in enumerate(names_of(task)))
    posed = "kpt_shape: [17, 3]\nflip_idx: [0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15]\n"
    return f"train: {train}\nval: {val}\n{posed if task == 'pose' else ''}names:\n{names}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Render labelled scenes of toy objects, or of puppets.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=40)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--task", choices=TASKS, default="detect")
    options = parser.parse_args()
    root = options.folder / "val" if options.task == "classify" else options.folder
    written = list(write(root, count=options.count, seed=options.seed, task=options.task))
    listing = "".join(f"{path.relative_to(options.folder)}\n" for path in written)
    (options.folder / "dataset.txt").write_text(listing)
    if options.task != "classify":
        comment = (
            f"# {options.count} scenes rendered by scripts/render_scenes.py; the folder of this file is the root\n"
        )
        (options.folder / "data.yaml").write_text(comment + describe(options.task, train="images", val="images"))
    print(f"{len(written)} scenes in {options.folder}")
