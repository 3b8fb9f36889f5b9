"""Render labelled scenes of six toy objects: python scripts/render_scenes.py FOLDER --count 40 --seed 7.

Every scene is a pure function of (seed, index), so a set can be made again anywhere. Scenes are drawn at twice
their size and shrunk, which smooths the edges. A label is the tight box of an object's visible pixels, as in COCO;
objects hidden by more than half, or smaller than MIN_SIDE pixels, carry no label.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

NAMES = ("ball", "bottle", "box", "cone", "ring", "star")
MIN_SIDE = 12
MIN_VISIBLE = 0.5
SUPERSAMPLE = 2

Image = NDArray[np.uint8]
Points = NDArray[np.float64]
Part = tuple[Points, float]  # a polygon in the unit square [-1, 1]^2 and the brightness it is filled with


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
    return np.stack([np.cos(angle), np.sin(angle)], axis=1) * np.where(np.arange(10) % 2, 0.42, 1.0)[:, None]


SHAPES: dict[str, list[Part]] = {
    "ball": [(circle(0, 0, 0.9), 0.75), (circle(-0.1, -0.1, 0.7), 0.95), (circle(-0.3, -0.35, 0.22), 1.5)],
    "bottle": [
        (rect(-0.42, -0.25, 0.42, 1.0), 0.9),
        (rect(-0.17, -0.8, 0.17, -0.2), 0.9),
        (rect(-0.22, -1.0, 0.22, -0.78), 0.4),
        (rect(-0.42, 0.1, 0.42, 0.6), 1.6),
    ],
    "box": [
        (np.array([[-0.9, -0.4], [0.0, 0.0], [0.0, 1.0], [-0.9, 0.6]]), 0.6),
        (np.array([[0.0, 0.0], [0.9, -0.4], [0.9, 0.6], [0.0, 1.0]]), 0.9),
        (np.array([[-0.9, -0.4], [0.0, -0.85], [0.9, -0.4], [0.0, 0.0]]), 1.3),
    ],
    "cone": [
        (np.array([[0.0, -1.0], [0.6, 0.75], [-0.6, 0.75]]), 1.0),
        (np.array([[-0.26, -0.25], [0.26, -0.25], [0.42, 0.2], [-0.42, 0.2]]), 1.8),
        (rect(-0.9, 0.75, 0.9, 1.0), 0.7),
    ],
    "ring": [(circle(0, 0, 0.75), 1.0)],
    "star": [(star(), 1.0), (star() * 0.6, 1.25)],
}


def _place(points: Points, centre: Points, half: float, angle: float, aspect: float) -> NDArray[np.int32]:
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return np.rint((points * [half * aspect, half]) @ turn.T + centre).astype(np.int32)


def _fill(canvas: Image, name: str, points: NDArray[np.int32], half: float, colour: tuple[float, ...]) -> None:
    if name == "ring":
        cv2.polylines(canvas, [points], True, colour, max(2, round(half * 0.42)))
    else:
        cv2.fillPoly(canvas, [points], colour)


def _background(rng: Generator, height: int, width: int) -> Image:
    corners = rng.uniform(30, 225, (2, 2, 3)).astype(np.float32)
    canvas = cv2.resize(corners, (width, height), interpolation=cv2.INTER_LINEAR)
    coarse = rng.normal(0, rng.uniform(0, 16), (height // 24, width // 24, 3)).astype(np.float32)
    canvas += cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    image = np.clip(canvas, 0, 255).astype(np.uint8)
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


def render(seed: int, index: int) -> tuple[Image, list[tuple[int, float, float, float, float]]]:
    """Render scene `index` of set `seed`.

    Returns the BGR uint8 image (240-480 pixels a side) and its labels: (class id, x1, y1, x2, y2) in pixels.
    """
    rng = np.random.default_rng([seed, index])
    height, width = (int(v) for v in rng.integers(240, 481, 2))
    image = _background(rng, height * SUPERSAMPLE, width * SUPERSAMPLE)
    owner = np.full(image.shape[:2], -1, np.int16)
    areas: list[int] = []
    class_ids: list[int] = []
    for number in range(int(rng.integers(0, 9))):
        class_id = int(rng.integers(len(NAMES)))
        name = NAMES[class_id]
        half = SUPERSAMPLE * float(np.exp(rng.uniform(np.log(16), np.log(80))))
        centre = rng.uniform(0, (width, height)) * SUPERSAMPLE
        angle, aspect = rng.uniform(-0.6, 0.6), rng.uniform(0.75, 1.3)
        colour = rng.uniform(40, 235, 3)
        mask = np.zeros(owner.shape, np.uint8)
        for points, brightness in SHAPES[name]:
            placed = _place(points, centre, half, angle, aspect)
            _fill(image, name, placed, half, tuple(np.clip(colour * brightness, 0, 255)))
            _fill(mask, name, placed, half, (1.0,))
        owner[mask > 0] = number
        reach = SUPERSAMPLE * 200  # the whole object, also what lies outside the picture
        whole = np.zeros((2 * reach, 2 * reach), np.uint8)
        for points, _ in SHAPES[name]:
            _fill(whole, name, _place(points, np.array([reach, reach], float), half, angle, aspect), half, (1.0,))
        areas.append(int(np.count_nonzero(whole)))
        class_ids.append(class_id)
    labels = []
    for number, (class_id, area) in enumerate(zip(class_ids, areas, strict=True)):
        ys, xs = np.nonzero(owner == number)
        if len(xs) < MIN_VISIBLE * area:
            continue
        box = np.array([xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]) / SUPERSAMPLE
        if min(box[2] - box[0], box[3] - box[1]) >= MIN_SIDE:
            labels.append((class_id, *(float(v) for v in box)))
    image = np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
    if rng.random() < 0.3:
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 1.2)), np.uint8)
    noisy = image * rng.uniform(0.6, 1.15) + rng.normal(0, rng.uniform(0, 9), image.shape)
    return np.clip(noisy, 0, 255).astype(np.uint8), labels


def write(folder: Path, *, count: int, seed: int) -> Iterator[Path]:
    """Write scenes as folder/images/NNNN.jpg with YOLO labels (class x y w h, relative) in folder/labels."""
    for name in ("images", "labels"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for index in range(count):
        image, labels = render(seed, index)
        height, width = image.shape[:2]
        relative = [
            (c, (x1 + x2) / 2 / width, (y1 + y2) / 2 / height, (x2 - x1) / width, (y2 - y1) / height)
            for c, x1, y1, x2, y2 in labels
        ]
        rows = [f"{c} {x:.6f} {y:.6f} {w:.6f} {h:.6f}\n" for c, x, y, w, h in relative]
        path = folder / "images" / f"{index:04d}.jpg"
        cv2.imwrite(str(path), image, [cv2.IMWRITE_JPEG_QUALITY, 90])
        (folder / "labels" / f"{index:04d}.txt").write_text("".join(rows))
        yield path


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Render labelled scenes of six toy objects.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=40)
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    written = list(write(options.folder, count=options.count, seed=options.seed))
    (options.folder / "dataset.txt").write_text("".join(f"images/{path.name}\n" for path in written))
    print(f"{len(written)} scenes in {options.folder}")
