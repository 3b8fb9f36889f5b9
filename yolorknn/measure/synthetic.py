"""Made-up parts for measuring the rest: an NPU that takes so long, a camera at so many frames a second, pictures."""

from __future__ import annotations

import itertools
import time
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from yolorknn.image import Image
from yolorknn.model.metadata import ModelMetadata
from yolorknn.stream.sources.source import Frame
from yolorknn.tasks.boxes import scales_of
from yolorknn.tasks.known import output_shapes

FRAME_SIZE = (1080, 1920)
CANDIDATES = 60
"""Anchors above 0.25 in a normal street scene at 640, out of which come about nine boxes."""


def pictures(count: int = 8) -> list[Image]:
    """Return BGR uint8 pictures of FRAME_SIZE, smooth as camera frames are."""
    rng = np.random.default_rng(0)
    coarse = [rng.integers(0, 256, (27, 48, 3), np.uint8) for _ in range(count)]
    return [np.asarray(cv2.resize(image, FRAME_SIZE[::-1], interpolation=cv2.INTER_CUBIC)) for image in coarse]


class SimulatedNpu:
    """A core that is held for a time without the GIL, then gives fresh tensors of a normal scene."""

    def __init__(self, metadata: ModelMetadata, milliseconds: float) -> None:
        self._seconds = milliseconds / 1000
        self._late = 0.0
        self._outputs = scene(metadata)

    def infer(self, image: Image) -> list[NDArray[np.float32]]:
        """Take the time, tensors included; what sleep overshoots is taken off the next call."""
        end = time.perf_counter() + self._seconds - self._late
        outputs = [output.copy() for output in self._outputs]
        time.sleep(max(0.0, end - time.perf_counter()))
        self._late = min(time.perf_counter() - end, self._seconds)
        return outputs

    def close(self) -> None:
        """Nothing to free."""


def scene(metadata: ModelMetadata, seed: int = 0) -> list[NDArray[np.float32]]:
    """Return head tensors in which CANDIDATES anchors are above 0.25, in clusters of seven as around real objects."""
    rng = np.random.default_rng(seed)
    outputs = [rng.normal(0, 1, shape).astype(np.float32) for shape in output_shapes(metadata).values()]
    if metadata.head == "decoded":
        outputs[0][0, 4:] = rng.random(outputs[0][0, 4:].shape, np.float32) * 0.05
        columns = rng.choice(outputs[0].shape[2], CANDIDATES, replace=False)
        outputs[0][0, 4 + rng.integers(len(metadata.names), size=CANDIDATES), columns] = 0.6
        outputs[0][0, :4, :] = 0.2 if metadata.normalized else 100
        return outputs
    for scale in scales_of(metadata.outputs):
        cls = outputs[scale.cls]
        cls[:] = rng.random(cls.shape, np.float32) * 0.05
        for _ in range(-(-CANDIDATES // (7 * len(scales_of(metadata.outputs))))):
            row, column = rng.integers(cls.shape[2]), rng.integers(max(1, cls.shape[3] - 6))
            cls[0, rng.integers(len(metadata.names)), row, column : column + 7] = rng.uniform(0.3, 0.9)
        if scale.sum is not None:
            outputs[scale.sum][:] = np.clip(cls.sum(axis=1, keepdims=True), 0, 1)
    return outputs


class Paced:
    """A camera that gives a frame `fps` times a second, whether or not anyone is ready."""

    live, name = True, "camera"
    count: int | None = None

    def __init__(self, images: Sequence[Image], fps: float) -> None:
        self.fps = fps
        self._images = itertools.cycle(images)
        self._next = time.perf_counter()

    def read(self) -> Frame:
        """Wait for the next moment."""
        self._next = max(self._next + 1 / self.fps, time.perf_counter())
        time.sleep(max(0.0, self._next - time.perf_counter()))
        return Frame(next(self._images), time.time(), self.name)

    def close(self) -> None:
        """Nothing to release."""
