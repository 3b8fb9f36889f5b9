"""Made-up outputs of a model that sees something, for trying what comes behind a model without one."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from yolorknn.model.metadata import ModelMetadata
from yolorknn.tasks.boxes import scales_of
from yolorknn.tasks.task import Floats

CANDIDATES = 60
"""Anchors above 0.25 in a normal street scene at 640, out of which come about nine boxes."""


def box_scene(metadata: ModelMetadata, shapes: Iterable[tuple[int, ...]], *, seed: int = 0) -> list[Floats]:
    """Return head tensors in which CANDIDATES anchors are above 0.25, in clusters of seven as around real objects."""
    rng = np.random.default_rng(seed)
    outputs = [rng.normal(0, 1, shape).astype(np.float32) for shape in shapes]
    if metadata.head == "decoded":
        outputs[0][0, 4:] = rng.random(outputs[0][0, 4:].shape, np.float32) * 0.05
        columns = rng.choice(outputs[0].shape[2], CANDIDATES, replace=False)
        outputs[0][0, 4 + rng.integers(len(metadata.names), size=CANDIDATES), columns] = 0.6
        outputs[0][0, :4, :] = 0.2 if metadata.normalized else 100
        return outputs
    scales = scales_of(metadata.outputs)
    for scale in scales:
        cls = outputs[scale.cls]
        cls[:] = rng.random(cls.shape, np.float32) * 0.05
        for _ in range(-(-CANDIDATES // (7 * len(scales)))):
            row, column = rng.integers(cls.shape[2]), rng.integers(max(1, cls.shape[3] - 6))
            cls[0, rng.integers(len(metadata.names)), row, column : column + 7] = rng.uniform(0.3, 0.9)
        if scale.sum is not None:
            outputs[scale.sum][:] = np.clip(cls.sum(axis=1, keepdims=True), 0, 1)
    return outputs
