"""From head tensors to boxes: threshold, DFL, decode, NMS. Pure functions of arrays that never write their inputs.

Only anchors above the threshold are decoded: of 8400 some sixty pass, so the rest is never touched. Quantized numbers
are compared as they are, and only those of what passes become float32.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from yolorknn.model.metadata import ModelMetadata, Output
from yolorknn.model.values import Values, numbers_of, with_numbers
from yolorknn.tasks import objectness
from yolorknn.tasks.anchors import corners, dfl
from yolorknn.tasks.candidate import FAR, NOTHING, Boxes
from yolorknn.tasks.cells import Places, above, chosen, values_at
from yolorknn.tasks.nms import nms
from yolorknn.tasks.objectness import has_objectness
from yolorknn.tasks.sound import check_numbers, check_scores, check_sums
from yolorknn.tasks.task import Floats, Ints, Thresholds

MAX_CANDIDATES = 30000
"""At most so many candidates, the most confident, reach NMS (ultralytics' max_nms)."""


class Scale(NamedTuple):
    """One stride of a split head: the positions of its outputs."""

    stride: int
    box: int
    cls: int
    sum: int | None
    others: Mapping[str, int]
    """By role: what a task has besides."""


@lru_cache
def scales_of(outputs: tuple[Output, ...]) -> tuple[Scale, ...]:
    """Return a split head's outputs, stride by stride, in the order of the strides' first outputs."""
    found: dict[int, dict[str, int]] = {}
    for number, output in enumerate(outputs):
        found.setdefault(output.stride, {})[output.role] = number
    return tuple(
        Scale(stride, at.pop("box"), at.pop("cls"), at.pop("sum", None), at)
        for stride, at in found.items()
        if "box" in at  # what is no grid of anchors, as the prototypes of masks, has a stride of its own
    )


def decode(outputs: Sequence[Values], metadata: ModelMetadata, *, conf: float, multi_label: bool = False) -> Boxes:
    """Return the boxes whose confidence is above `conf`, before NMS, ordered by stride, then anchor.

    Args:
        outputs: in the order and shapes of the metadata.
        metadata: the model's layout.
        conf: threshold, exclusive, as in ultralytics.
        multi_label: one box for each class above `conf` (as ultralytics' val) rather than for the best class.
    """
    if has_objectness(metadata):
        return objectness.decode(outputs, metadata, conf=conf, multi_label=multi_label)
    if metadata.head == "decoded":
        return _decoded(outputs[0], metadata, conf, multi_label)
    return _split(outputs, metadata, conf, multi_label)


def _split(outputs: Sequence[Values], metadata: ModelMetadata, conf: float, multi_label: bool) -> Boxes:
    scales = scales_of(metadata.outputs)
    sums = [scale.sum for scale in scales if scale.sum is not None]
    classes = [scale.cls for scale in scales]
    named = [(metadata.outputs[number].name, outputs[number]) for number in sums or classes]
    places, class_id, confidence = above(named, conf, multi_label=multi_label)
    if len(class_id) == 0:
        return NOTHING
    if sums:
        scores = values_at([outputs[number] for number in classes], places)
        check_scores(" or ".join(metadata.outputs[number].name for number in classes), scores)
        check_sums(" or ".join(metadata.outputs[number].name for number in sums), confidence, scores)
        column, class_id = chosen(scores, np.full(len(confidence), conf, np.float32), multi_label)
        places, confidence = places.take(column), scores[class_id, column]
    raw = values_at([outputs[scale.box] for scale in scales], places)
    distances = dfl(raw) if metadata.reg_max > 1 else raw
    _check(distances, outputs, metadata, [scale.box for scale in scales], places.cell)
    table = corners(metadata.imgsz, tuple([scale.stride for scale in scales])).take(places.cell, axis=1)
    if metadata.reg_max == 1:  # distributions have their bounds
        np.minimum(np.maximum(distances, -FAR, out=distances), FAR, out=distances)  # np.clip takes four times as long
    distances *= table[4:]
    distances += table[:4]
    return Boxes(distances.T, np.minimum(confidence, 1), class_id, places.cell, places)


def _check(
    values: Floats, outputs: Sequence[Values], metadata: ModelMetadata, numbers: Sequence[int], anchor: Ints
) -> None:
    """Refuse NaN in what outputs, one a stride, say of anchors."""
    named = ((metadata.outputs[number].name, math.prod(outputs[number].shape[2:])) for number in numbers)
    check_numbers(values, named, anchor)


def gather(outputs: Sequence[Values], metadata: ModelMetadata, found: Boxes, *roles: str) -> list[Floats]:
    """Return what a split head's outputs say of the anchors of boxes, in their order: (channels, N) for each role.

    Args:
        outputs: in the order and shapes of the metadata.
        metadata: the model's layout.
        found: decoded from these outputs.
        roles: ones that each stride has an output of.
    """
    places, gathered = found.places, []
    for role in roles:
        numbers = [scale.others[role] for scale in scales_of(metadata.outputs)]
        parts = [outputs[number] for number in numbers]
        places = places or Places.of_any(found.anchor, parts)
        values = values_at(parts, places)
        _check(values, outputs, metadata, numbers, found.anchor)
        gathered.append(values)
    return gathered


def _decoded(output: Values, metadata: ModelMetadata, conf: float, multi_label: bool) -> Boxes:
    name, shape = metadata.outputs[0].name, output.shape[:3]  # some toolkits add a fourth axis of length 1
    sides, scores = (_channels(output, shape, channels) for channels in (slice(4), slice(4, None)))
    places, class_id, confidence = above([(name, scores)], conf, multi_label=multi_label)
    if len(class_id) == 0:
        return NOTHING
    raw = values_at([sides], places)
    check_numbers(raw, [(name, shape[2])], places.cell)
    xywh = np.clip(raw.T, -FAR, FAR)
    if metadata.normalized:
        xywh = xywh * np.tile(np.array(metadata.imgsz[::-1], np.float32), 2)
    half = xywh[:, 2:] / 2
    xyxy = np.concatenate([xywh[:, :2] - half, xywh[:, :2] + half], axis=1)
    return Boxes(xyxy, np.minimum(confidence, 1), class_id, places.cell)


def _channels(output: Values, shape: tuple[int, ...], channels: slice) -> Values:
    """Return some channels of an output that is one tensor of this shape."""
    return with_numbers(output, numbers_of(output).reshape(shape)[:, channels])


def candidates(outputs: Sequence[Values], metadata: ModelMetadata, thresholds: Thresholds) -> Boxes:
    """Decode what may be a result: what remains is to suppress duplicates.

    An end-to-end head has none: there, the `max_det` best pairs of anchor and class are the result, as in ultralytics'
    Detect.postprocess, and `multi_label` changes nothing; with `agnostic_nms`, each anchor is in one pair.

    Args:
        outputs: in the order and shapes of the metadata, float32 or as the chip has them; not written to.
        metadata: the model's layout.
        thresholds: what is kept.

    Returns:
        Boxes in input pixels, at most MAX_CANDIDATES; those of an end-to-end head the most confident first.
    """
    multi_label = not thresholds.agnostic_nms if metadata.end_to_end else thresholds.multi_label
    found = decode(outputs, metadata, conf=thresholds.conf, multi_label=multi_label)
    if thresholds.classes is not None:
        found = found[np.flatnonzero(np.isin(found.class_id, np.asarray(thresholds.classes, np.int64)))]
    limit = thresholds.max_det if metadata.end_to_end else MAX_CANDIDATES
    if metadata.end_to_end or len(found.confidence) > limit:
        found = found[np.argsort(-found.confidence, kind="stable")[:limit]]
    return found


def postprocess(outputs: Sequence[Values], metadata: ModelMetadata, thresholds: Thresholds) -> Boxes:
    """Decode a model's outputs and suppress duplicates, of which an end-to-end head has none; see candidates().

    Returns:
        Boxes in input pixels, the most confident first.
    """
    found = candidates(outputs, metadata, thresholds)
    if metadata.end_to_end:
        return found
    class_id = None if thresholds.agnostic_nms or len(metadata.names) == 1 else found.class_id
    return found[nms(found.xyxy, found.confidence, class_id, iou=thresholds.iou)[: thresholds.max_det]]
