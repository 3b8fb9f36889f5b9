"""Measure what tiles find of small objects in large frames that are drawn here, beside plain detection.

    .venv/bin/python scripts/bench/tiles.py [--frames 3] [--size 2160 3840] [--side 20] [--tile 160] [--overlap 0.2]

Recall is the share of the objects that are found with their class at IoU 0.5; an object is found twice if two results
lie on it at IoU 0.5, of whatever class: the model alone may give one two classes, which --agnostic-nms ends.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from beside import DEMO_ONNX, ROOT
from numpy.typing import NDArray

sys.path.insert(0, str(ROOT / "scripts"))

import render_scenes
from render_scenes import NAMES, SUPERSAMPLE, Placed
from shapes import TOYS

from yolorknn import Detections, Detector

Boxes = NDArray[np.float64]


class Scene(NamedTuple):
    """A frame and what is in it."""

    image: NDArray[np.uint8]
    xyxy: Boxes
    class_id: NDArray[np.int64]


def scene(seed: int, *, size: tuple[int, int], side: float, count: int) -> Scene:
    """Draw a frame of (height, width) with so many objects, none near another, each about `side` pixels wide."""
    rng = np.random.default_rng(seed)
    height, width = size
    image = render_scenes.background(rng, height * SUPERSAMPLE, width * SUPERSAMPLE)
    centres: list[NDArray[np.float64]] = []
    boxes: list[Boxes] = []
    classes: list[int] = []
    while len(boxes) < count:
        centre = rng.uniform(side, (width - side, height - side))
        if any(np.abs(centre - other).max() < 1.8 * side for other in centres):
            continue
        class_id = int(rng.integers(len(NAMES)))
        half, angle, aspect = side / 2 * SUPERSAMPLE, rng.uniform(-0.6, 0.6), rng.uniform(0.75, 1.3)
        placed = Placed(TOYS[NAMES[class_id]], half, angle, aspect, centre * SUPERSAMPLE)
        placed.fill(image, rng.uniform(40, 235, 3))
        drawn = np.rint(np.concatenate([placed.at(points) for points, _ in placed.shape.parts]))
        line = placed.stroke / 2
        centres.append(centre)
        boxes.append(np.concatenate([drawn.min(axis=0) - line, drawn.max(axis=0) + 1 + line]) / SUPERSAMPLE)
        classes.append(class_id)
    shrunk = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    noisy = shrunk + rng.normal(0, 4, shrunk.shape)
    return Scene(np.clip(noisy, 0, 255).astype(np.uint8), np.array(boxes), np.array(classes))


def overlap(ones: Boxes, others: Boxes) -> Boxes:
    """Return the IoU of boxes (N, 4) and (M, 4), (N, M)."""
    least = np.minimum(ones[:, None, 2:], others[None, :, 2:])
    shared = np.clip(least - np.maximum(ones[:, None, :2], others[None, :, :2]), 0, None).prod(axis=2)
    one, other = ((boxes[:, 2:] - boxes[:, :2]).prod(axis=1) for boxes in (ones, others))
    iou: Boxes = shared / (one[:, None] + other - shared)
    return iou


def counted(drawn: Scene, found: Detections) -> tuple[int, int, int]:
    """Return how many objects were found, how many of them twice, and how many results lie on none."""
    on = overlap(drawn.xyxy, found.xyxy.astype(np.float64)) > 0.5
    right = on & (drawn.class_id[:, None] == found.class_id)
    return int(right.any(axis=1).sum()), int((on.sum(axis=1) > 1).sum()), int((~on.any(axis=0)).sum())


def main() -> None:
    """Draw, detect, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", type=Path, default=DEMO_ONNX)
    parser.add_argument("--frames", type=int, default=3)
    parser.add_argument("--size", type=int, nargs=2, default=(2160, 3840))
    parser.add_argument("--side", type=float, default=20)
    parser.add_argument("--count", type=int, default=150)
    parser.add_argument("--tile", type=int, default=160)
    parser.add_argument("--overlap", type=float, default=0.2)
    given = parser.parse_args()
    scenes = [scene(seed, size=tuple(given.size), side=given.side, count=given.count) for seed in range(given.frames)]
    for name, options in (("plain", {}), ("tiles", {"tile": given.tile, "overlap": given.overlap})):
        with Detector(given.model, max_det=1000, agnostic_nms=True, **options) as detector:
            counts = np.array([counted(drawn, detector.detect(drawn.image)) for drawn in scenes])
        found, twice, nothing = counts.sum(axis=0)
        total = given.count * len(scenes)
        print(f"{name}: recall {found / total:.3f} ({found} of {total}), {twice} twice, {nothing} results on no object")


if __name__ == "__main__":
    main()
