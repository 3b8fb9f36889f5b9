"""Poses and oriented boxes as the model zoo has them: four outputs, box and class in one.

Per stride `joined` (1, 64+nc, h, w): the box's DFL logits, and behind them the classes before sigmoid. Over all
strides, the finest first: of a pose `points` (1, K, 3, cells), x and y in pixels of the input and visibility after
sigmoid; of oriented boxes `angles` (1, 1, cells), after sigmoid.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from yolorknn.model.evidence import Evidence
from yolorknn.model.metadata import ModelMetadata, Output, Tensor
from yolorknn.model.values import Quantized, Values, floats, numbers_of, sigmoid, with_numbers
from yolorknn.tasks.cells import Places, values_at
from yolorknn.tasks.sound import check_numbers
from yolorknn.tasks.split import STRIDES, cells_of, grids_of, one_a_stride
from yolorknn.tasks.task import Floats, Ints

BOX = 64
"""Channels of a box: four sides of 16 bins."""


def is_joined(metadata: ModelMetadata) -> bool:
    """Return whether a model has these outputs."""
    return metadata.outputs[0].role == "joined"


def read_joined(
    imgsz: tuple[int, int], outputs: Sequence[Tensor], evidence: Evidence, role: str
) -> tuple[tuple[Output, ...], int] | None:
    """Return the outputs with their roles, and the number of classes; None where they are not these.

    Args:
        imgsz: height and width of the input.
        outputs: in the file's order, the last over all strides.
        evidence: what is known of them.
        role: of the last.
    """
    grids = grids_of(imgsz, outputs[:-1])
    classes = (one_a_stride(grids) or 0) - BOX
    if tuple(grid.stride for grid in grids) != STRIDES or classes < 1 or evidence.classes not in (None, classes):
        return None
    if outputs[-1].shape[-1] != cells_of(imgsz):
        return None
    for grid in grids:
        parts = evidence.parts(grid.outputs[0].name)
        if evidence.nodes is not None and [evidence.kind(part) for part in parts] != ["raw", "raw"]:
            return None
    found = [Output(grid.outputs[0].name, "joined", grid.stride) for grid in grids]
    return (*found, Output(outputs[-1].name, role, 0)), classes


def joined_shapes(metadata: ModelMetadata) -> dict[str, tuple[int, ...]]:
    """Return the shape of each output by name, in the file's order."""
    height, width = metadata.imgsz
    cells = cells_of(metadata.imgsz)
    last = {"points": (1, len(metadata.keypoints), 3, cells), "angles": (1, 1, cells)}
    return {
        out.name: (1, BOX + len(metadata.names), height // out.stride, width // out.stride)
        if out.role == "joined"
        else last[out.role]
        for out in metadata.outputs
    }


def apart(outputs: Sequence[Values], metadata: ModelMetadata) -> tuple[list[Values], ModelMetadata]:
    """Return boxes and classes as the outputs of a split head, the classes after sigmoid; others as they are."""
    if not is_joined(metadata):
        return list(outputs), metadata
    parts = list[Values]()
    for values, stated in zip(outputs, metadata.outputs, strict=True):
        if stated.role != "joined":
            parts.append(values)
        elif isinstance(values, Quantized):
            parts.append(values._replace(numbers=values.numbers[:, :BOX]))
            parts.append(_sigmoids(values.numbers.dtype, values.scale, values.zero_point)[values.numbers[:, BOX:]])
        else:
            parts += [values[:, :BOX], sigmoid(floats(values[:, BOX:]))]
    return parts, replace(metadata, outputs=_outputs_apart(metadata.outputs))


def said_over_all(outputs: Sequence[Values], metadata: ModelMetadata, anchor: Ints) -> Floats:
    """Return what the last output, over all strides, says of some anchors: (channels, N), in the anchors' order.

    Raises:
        InferenceError: it has NaN there.
    """
    values, name = outputs[-1], metadata.outputs[-1].name
    numbers = numbers_of(values)
    numbers = numbers.reshape(1, -1, numbers.shape[-1])
    parts = [with_numbers(values, numbers)]
    found = values_at(parts, Places.of_any(anchor, parts))
    check_numbers(found, [(name, numbers.shape[2])], anchor)
    return found


@lru_cache
def _outputs_apart(outputs: tuple[Output, ...]) -> tuple[Output, ...]:
    found = list[Output]()
    for output in outputs:
        roles = ("box", "cls") if output.role == "joined" else (output.role,)
        found += [output._replace(role=role) for role in roles]
    return tuple(found)


@lru_cache(maxsize=16)
def _sigmoids(dtype: np.dtype[Any], scale: float, zero_point: int) -> NDArray[np.float32]:
    """Return the score of each number that a quantized logit can be, at that index; of negative ones from the end."""
    limits = np.iinfo(dtype)
    numbers = np.arange(limits.min, limits.max + 1)
    scores = sigmoid(floats(Quantized(numbers, scale, zero_point)))
    return np.roll(scores, int(limits.min))
