"""Time the letterbox of 1920x1080 to 640 beside a bare cv2.resize and cvtColor of the same region, in one process.

    .venv/bin/python scripts/bench/letterbox.py

One thread; each round times both, medians over the rounds, and their ratio.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import cv2

from yolorknn.image import Canvas
from yolorknn.measure.synthetic import pictures

IMGSZ = (640, 640)
ROUNDS = 300


def seconds(function: Callable[[], object]) -> float:
    """Time one call."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def main() -> None:
    """Compare on made-up pictures."""
    cv2.setNumThreads(1)
    images, canvas = pictures(), Canvas(IMGSZ)
    placed = canvas.fill(images[0])
    size = placed.resized[::-1]
    times: list[tuple[float, float]] = []
    for number in range(ROUNDS):
        # Not the same picture: who comes second would find it in the cache.
        mine, other = images[number % len(images)], images[(number + len(images) // 2) % len(images)]
        ours = seconds(lambda image=mine: canvas.fill(image))  # type: ignore[misc]
        bare = seconds(lambda image=other: cv2.cvtColor(cv2.resize(image, size), cv2.COLOR_BGR2RGB))  # type: ignore[misc]
        times.append((ours, bare))
    ours, bare = (statistics.median(column) * 1e6 for column in zip(*times, strict=True))
    print(f"letterbox {ours:.0f} us, bare resize and cvtColor {bare:.0f} us: {ours / bare:.2f} of it")


if __name__ == "__main__":
    main()
