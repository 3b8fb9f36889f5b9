"""Made-up outputs of a model that sees something, for trying what comes behind a model without one."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from yolorknn.model.metadata import ModelMetadata
from yolorknn.tasks.boxes import scales_of
from yolorknn.tasks.joined import BOX, is_joined
from yolorknn.tasks.objectness import BEFORE, has_objectness
from yolorknn.tasks.task import Floats

CANDIDATES = 60
"""Anchors above 0.25 in a normal street scene at 640, out of which come about nine boxes."""

SURE = 12.0
"""Logit of a distance, beside which the others' count for nothing."""


def box_scene(metadata: ModelMetadata, shapes: Iterable[tuple[int, ...]], *, seed: int = 0) -> list[Floats]:
    """Return head tensors in which CANDIDATES anchors are above 0.25, in clusters of seven as around real objects."""
    rng = np.random.default_rng(seed)
    outputs = [rng.normal(0, 1, shape).astype(np.float32) for shape in shapes]
    if has_objectness(metadata):
        return [_of_objects(rng, output, len(metadata.names), metadata.outputs[0].role) for output in outputs]
    if metadata.head == "decoded":
        outputs[0][0, 4:] = rng.random(outputs[0][0, 4:].shape, np.float32) * 0.05
        columns = rng.choice(outputs[0].shape[2], CANDIDATES, replace=False)
        outputs[0][0, 4 + rng.integers(len(metadata.names), size=CANDIDATES), columns] = 0.6
        outputs[0][0, :4, :] = 0.2 if metadata.normalized else 100
        return outputs
    if is_joined(metadata):
        return _of_joined(rng, outputs)
    scales = scales_of(metadata.outputs)
    for scale in scales:
        cls = outputs[scale.cls]
        cls[:] = rng.random(cls.shape, np.float32) * 0.05
        for _ in range(-(-CANDIDATES // (7 * len(scales)))):
            row, column = rng.integers(cls.shape[2]), rng.integers(max(1, cls.shape[3] - 6))
            cls[0, rng.integers(len(metadata.names)), row, column : column + 7] = rng.uniform(0.3, 0.9)
            _agree(outputs[scale.box][0], int(row), int(column), height=int(rng.integers(2, 5)))
        if scale.sum is not None:
            outputs[scale.sum][:] = np.clip(cls.sum(axis=1, keepdims=True), 0, 1)
    return outputs


def _agree(box: Floats, row: int, column: int, *, height: int) -> None:
    """Have a cluster's anchors say the same box: 8 cells wide, `height` above and below."""
    some = box[:, row, column : column + 7].reshape(4, -1, min(7, box.shape[2] - column))
    for number in range(some.shape[2]):
        for side, cells in enumerate((number + 1, height, 7 - number, height)):
            if some.shape[1] == 1:
                some[side, 0, number] = cells
            else:
                some[side, min(cells, some.shape[1] - 1), number] = SURE
    box[:, row, column : column + 7] = some.reshape(len(box), -1)


def _of_joined(rng: np.random.Generator, outputs: list[Floats]) -> list[Floats]:
    """Return outputs of the model zoo's pose or oriented boxes in which some cells are sure, the last from 0 to 1."""
    *grids, last = outputs
    for grid in grids:
        grid[0, BOX:] = -4
        for _ in range(-(-CANDIDATES // 21)):
            row, column = rng.integers(grid.shape[2]), rng.integers(max(1, grid.shape[3] - 6))
            grid[0, BOX + rng.integers(grid.shape[1] - BOX), row, column : column + 7] = rng.uniform(-0.5, 2)
    return [*grids, rng.random(last.shape, np.float32)]


def _of_objects(rng: np.random.Generator, output: Floats, classes: int, role: str) -> Floats:
    """Return an output of a head with an objectness in which some boxes of one class are sure."""
    count = BEFORE + classes
    table = rng.random(output.size // count * count, np.float32).reshape(count, -1)  # a box a column
    table[BEFORE - 1 :] *= 0.05
    for start in rng.choice(table.shape[1], max(1, CANDIDATES // 21), replace=False):
        some = slice(start, start + 7)
        table[BEFORE - 1, some] = table[BEFORE + rng.integers(classes), some] = 0.8
    if role == "rows":
        table[:4] *= 100
        return np.ascontiguousarray(table.T).reshape(output.shape)
    boxes = output.shape[1] // count
    cells = table.reshape(count, boxes, -1).transpose(1, 0, 2)
    return np.ascontiguousarray(cells).reshape(output.shape)
