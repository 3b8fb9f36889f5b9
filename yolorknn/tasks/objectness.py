"""Heads of others that give each box an objectness, by which its class scores are to be multiplied.

Of each box they say x, y, width, height, objectness, and a score for each class, in this order. Outputs have a role:

- `anchored`, a stride each: (1, A*(5+nc), h, w), all after a Sigmoid, for A anchor boxes a cell, as YOLOv5 and YOLOv7
  have them; the anchor boxes' sizes are in the metadata. With one class the objectness alone is the score, as YOLOv7
  decides it; YOLOv5 trains that class score no more than YOLOv7 does.
- `yolox`, a stride each: (1, 5+nc, h, w), x, y, width and height as they are, the rest after a Sigmoid.
- `rows`: (1, boxes, 5+nc), in pixels of the input, as YOLOv5's own export ends.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from yolorknn.model.metadata import ModelMetadata
from yolorknn.model.values import Quantized, Values, floats, numbers_of, with_numbers
from yolorknn.tasks.candidate import FAR, NOTHING, Boxes
from yolorknn.tasks.cells import above, chosen, values_at
from yolorknn.tasks.sound import are_scores, check_numbers, check_scores
from yolorknn.tasks.task import Floats

ROLES = frozenset({"anchored", "yolox", "rows"})
BEFORE = 5
"""What is said of a box before its class scores."""
SHARED = 0.05
"""How far rounding may bring scores beyond 0 and 1 that share a scale of int8 with boxes, from -6 to 6 or so."""


def has_objectness(metadata: ModelMetadata) -> bool:
    """Return whether a model's head is one of these."""
    return metadata.outputs[0].role in ROLES


def channels_of(metadata: ModelMetadata) -> dict[str, int]:
    """Return how many channels the outputs of these heads have, by role.

    Raises:
        ValueError: the anchor boxes are not as many at each stride.
    """
    count = BEFORE + len(metadata.names)
    sizes = {len(group) for group in metadata.anchors}
    if not metadata.anchors:
        return {"yolox": count}
    if len(sizes) != 1 or len(metadata.anchors) != len(metadata.outputs):
        raise ValueError("the anchor boxes are not as many at each stride")
    return {"anchored": sizes.pop() // 2 * count}


def decode(outputs: Sequence[Values], metadata: ModelMetadata, *, conf: float, multi_label: bool) -> Boxes:
    """Return the boxes whose confidence is above `conf`, before NMS; see boxes.decode().

    An `anchor` of these is numbered output by output, anchor box by anchor box, cell by cell.
    """
    names, parts = _parts(outputs, metadata)
    objectness = [_view(part, lambda numbers: numbers[:, BEFORE - 1 : BEFORE]) for part in parts]
    if metadata.outputs[0].role == "yolox":
        objectness = [_eased_part(part) for part in objectness]
    places = above(list(zip(names, objectness, strict=True)), conf, multi_label=False).places
    anchor = places.cell
    if len(anchor) == 0:
        return NOTHING
    raw = values_at(parts, places)
    check_numbers(raw, zip(names, (part.shape[2] for part in parts), strict=True), anchor)
    scores = _eased(raw[BEFORE:]) if metadata.outputs[0].role == "yolox" else raw[BEFORE:]
    check_scores(" or ".join(dict.fromkeys(names)), scores)
    sure = raw[BEFORE - 1 : BEFORE]
    scores = sure if metadata.anchors and len(scores) == 1 else scores * sure
    column, class_id = chosen(scores, np.full(len(anchor), conf, np.float32), multi_label)
    confidence = scores[class_id, column]
    box, anchor = raw[:4].take(column, axis=1), anchor.take(column)
    with np.errstate(over="ignore"):  # of a width beyond all measure, which is cut off
        xywh = np.clip(_placed(box, metadata, anchor), -FAR, FAR)
    half = xywh[2:] / 2
    xyxy = np.concatenate([xywh[:2] - half, xywh[:2] + half]).T
    return Boxes(xyxy, np.minimum(confidence, 1), class_id, anchor)


def _parts(outputs: Sequence[Values], metadata: ModelMetadata) -> tuple[list[str], list[Values]]:
    """Return views of the outputs, (1, 5+nc, boxes) each, and the name of the output that each is of."""
    count = BEFORE + len(metadata.names)
    names, parts = list[str](), list[Values]()
    for output, stated in zip(outputs, metadata.outputs, strict=True):
        if stated.role == "rows":
            found = [_view(output, lambda numbers: numbers.reshape(numbers.shape[:3]).transpose(0, 2, 1))]
        else:
            found = [
                _view(output, lambda numbers, at=start: numbers[:, at : at + count].reshape(1, count, -1))
                for start in range(0, output.shape[1], count)
            ]
        names += [stated.name] * len(found)
        parts += found
    return names, parts


def _eased(scores: NDArray[Any]) -> NDArray[Any]:
    """Return scores in which those beyond 0 and 1 by no more than SHARED are 0 and 1."""
    near = np.clip(scores, 0, 1)
    return np.where(np.abs(scores - near) <= SHARED, near, scores).astype(scores.dtype, copy=False)


def _eased_part(part: Values) -> Values:
    if isinstance(part, Quantized):
        if are_scores(part.numbers.dtype, part.scale, part.zero_point):
            return part
        part = floats(part)
    return _eased(part)


def _view(values: Values, of: Callable[..., NDArray[Any]]) -> Values:
    return with_numbers(values, of(numbers_of(values)))


def _placed(box: Floats, metadata: ModelMetadata, anchor: NDArray[np.int64]) -> Floats:
    """Return centre, width and height in pixels of the input, (4, N), of what the outputs say of them."""
    if metadata.outputs[0].role == "rows":
        return box
    table = _table(metadata.imgsz, tuple([out.stride for out in metadata.outputs]), metadata.anchors)
    start, factor = np.split(table.take(anchor, axis=1), [2])
    values = box.copy()
    values[2:] = box[2:] ** 2 if metadata.anchors else np.exp(box[2:])
    values *= factor
    values[:2] += start
    return values


@lru_cache
def _table(imgsz: tuple[int, int], strides: tuple[int, ...], anchors: tuple[tuple[float, ...], ...]) -> Floats:
    """Return what makes x, y, width and height of values, (6, boxes): where x and y start, and what each is times.

    YOLOv5 and YOLOv7: (2x - 0.5 + column) * stride, (2w)^2 * the anchor box's width. YOLOX: (x + column) * stride,
    exp(w) * stride.
    """
    columns = []
    for number, stride in enumerate(strides):
        y, x = np.mgrid[: imgsz[0] // stride, : imgsz[1] // stride].reshape(2, -1)
        if not anchors:
            columns.append(np.stack([x * stride, y * stride, *[np.full(x.size, stride)] * 4]))
        for width, height in zip(anchors[number][0::2], anchors[number][1::2], strict=True) if anchors else ():
            factors = [np.full(x.size, factor) for factor in (2 * stride, 2 * stride, 4 * width, 4 * height)]
            columns.append(np.stack([(x - 0.5) * stride, (y - 0.5) * stride, *factors]))
    table: Floats = np.concatenate(columns, axis=1).astype(np.float32)
    table.flags.writeable = False
    return table
