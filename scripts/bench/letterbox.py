"""Time the letterbox of 1920x1080 to 640 beside a bare cv2.resize and cvtColor of the same region, in one process.

    .venv/bin/python scripts/bench/letterbox.py

One thread.
"""

from __future__ import annotations

import cv2
from beside import arguments, compare, show

from yolorknn.image import Canvas
from yolorknn.measure.synthetic import pictures

IMGSZ = (640, 640)


def main() -> None:
    """Compare on made-up pictures."""
    rounds = arguments(__doc__, rounds=300).parse_args().rounds
    cv2.setNumThreads(1)
    images, canvas = pictures(), Canvas(IMGSZ)
    size = canvas.fill(images[0]).resized[::-1]

    def bare(number: int) -> None:
        # Not the same picture: who comes second would find it in the cache.
        cv2.cvtColor(cv2.resize(images[(number + len(images) // 2) % len(images)], size), cv2.COLOR_BGR2RGB)

    def letterbox(number: int) -> None:
        canvas.fill(images[number % len(images)])

    show("1920x1080 to 640", compare({"bare resize and cvtColor": bare, "letterbox": letterbox}, rounds=rounds))


if __name__ == "__main__":
    main()
