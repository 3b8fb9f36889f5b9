"""A test of your own program, without a board: as many cores as you like, each as slow as you say.

pytest examples/test_with_simulated_npu.py
"""

import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from yolorknn import Detector, SimulatedNpu

MODEL = Path(__file__).resolve().parent.parent / "models/demo.onnx"


def crowded(detector: Detector, frames: Iterable[NDArray[np.uint8]], *, limit: int) -> list[int]:
    """Stand for the program to test: return the numbers of the frames with more boxes than the limit."""
    return [index for _, index, _, detections in detector.stream(frames) if len(detections) > limit]


def camera(count: int, *, fps: float) -> Iterator[NDArray[np.uint8]]:
    for _ in range(count):
        time.sleep(1 / fps)
        yield np.zeros((720, 1280, 3), np.uint8)


def test_every_frame_is_looked_at_on_three_cores() -> None:
    with Detector(MODEL, backends=[SimulatedNpu(MODEL, 20) for _ in range(3)]) as detector:
        assert crowded(detector, camera(12, fps=60), limit=0) == list(range(12))


def test_a_slow_core_drops_frames_and_never_falls_behind() -> None:
    with Detector(MODEL, backends=[SimulatedNpu(MODEL, 100)]) as detector:
        stream = detector.stream(camera(30, fps=60), drop="old")
        assert 0 < len(list(stream)) == 30 - stream.dropped < 15
