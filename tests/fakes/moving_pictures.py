"""Videos of toys that go across, as the demo's model knows them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from render_scenes import SUPERSAMPLE, Placed, background
from shapes import TOYS

from yolorknn.stream.sinks.video import VideoWriter

SIZE = (240, 320)
"""Height and width."""
WAYS = (("ball", -30, 350, 60.0), ("star", 350, -30, 130.0), ("cone", -30, 350, 195.0))
"""Toy, x of its centre in the first and the last second, and y."""


def write_clip(path: Path, *, fps: float = 10.0, seconds: float = 6.0) -> None:
    """Write toys that go from side to side, and are in the middle in the middle of the video."""
    back = background(np.random.default_rng(4), SIZE[0] * SUPERSAMPLE, SIZE[1] * SUPERSAMPLE)
    with VideoWriter(path, fps=fps, size=SIZE) as writer:
        for number in range(int(seconds * fps)):
            share = number / (seconds * fps)
            canvas = back.copy()
            for name, begin, end, y in WAYS:
                centre = np.array([begin + (end - begin) * share, y]) * float(SUPERSAMPLE)
                Placed(TOYS[name], 28.0 * SUPERSAMPLE, 0.0, 1.0, centre).fill(canvas, np.array([60.0, 190.0, 220.0]))
            writer.write(np.asarray(cv2.resize(canvas, SIZE[::-1], interpolation=cv2.INTER_AREA), np.uint8))
