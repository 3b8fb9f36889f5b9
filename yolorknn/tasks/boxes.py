"""From head tensors to boxes: threshold, DFL, decode, NMS. Pure functions of arrays that never write their inputs.

Only anchors above the threshold are decoded: of 8400 some sixty pass, so the rest is never touched. Quantized numbers
are compared as they are, and only those of what passes become float32.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from yolorknn.model.metadata import ModelMetadata, Output
from yolorknn.model.values import Quantized, Values, columns, numbers_of
from yolorknn.tasks.anchors import corners, dfl
from yolorknn.tasks.cells import above, values_at
from yolorknn.tasks.nms import nms
from yolorknn.tasks.sound import check_numbers, check_scores
from yolorknn.tasks.task import Floats, Ints, Thresholds

MAX_CANDIDATES = 30000
"""At most so many candidates, the most confident, reach NMS (ultralytics' max_nms)."""
FAR = 1e6
"""Cells, or pixels, beyond which no corner is taken: with infinite ones nothing can be computed."""


@dataclass(frozen=True)
class Boxes:
    """Boxes in pixels of the model's input: xyxy float32 (N, 4), confidence float32 (N,), class_id int64 (N,)."""

    xyxy: Floats
    confidence: Floats
    class_id: Ints
    anchor: Ints
    """(N,): the number of the anchor that each is of, as anchor_points() counts; see gather()."""

    def __getitem__(self, index: Ints) -> Boxes:
        """Return the chosen boxes."""
        return Boxes(
            self.xyxy.take(index, axis=0),
            self.confidence.take(index),
            self.class_id.take(index),
            self.anchor.take(index),
        )


NOTHING = Boxes(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64), np.zeros(0, np.int64))


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
    if metadata.head == "decoded":
        return _decoded(outputs[0], metadata, conf, multi_label)
    return _split(outputs, metadata, conf, multi_label)


def _split(outputs: Sequence[Values], metadata: ModelMetadata, conf: float, multi_label: bool) -> Boxes:
    scales = scales_of(metadata.outputs)
    sums = scales[0].sum is not None
    classes = [scale.cls for scale in scales]
    deciding = [scale.sum for scale in scales if scale.sum is not None] or classes
    check_scores([(metadata.outputs[number].name, outputs[number]) for number in deciding])
    anchor, best = above([outputs[number] for number in deciding], conf)
    if len(anchor) == 0:
        return NOTHING
    raw = values_at([outputs[scale.box] for scale in scales], anchor)
    scores = values_at([outputs[number] for number in classes], anchor)
    if sums:
        check_scores([(" or ".join(metadata.outputs[number].name for number in classes), scores)])
    if multi_label or sums or best is None:
        column, class_id, confidence = _best(scores, conf, multi_label)
        raw, anchor = raw.take(column, axis=1), anchor.take(column)
    else:  # every column's best class is above the threshold, so all stay
        class_id, confidence = scores.argmax(axis=0), best
    distances = dfl(raw.reshape(4, metadata.reg_max, -1)) if metadata.reg_max > 1 else raw
    _check(distances, outputs, metadata, [scale.box for scale in scales], anchor)
    table = corners(metadata.imgsz, tuple([scale.stride for scale in scales])).take(anchor, axis=1)
    np.clip(distances, -FAR, FAR, out=distances)
    distances *= table[4:]
    distances += table[:4]
    return Boxes(distances.T, np.minimum(confidence, 1), class_id, anchor)


def _check(
    values: Floats, outputs: Sequence[Values], metadata: ModelMetadata, numbers: Sequence[int], anchor: Ints
) -> None:
    """Refuse NaN in what outputs, one a stride, say of anchors."""
    sizes = [math.prod(outputs[number].shape[2:]) for number in numbers]
    check_numbers(values, [metadata.outputs[number].name for number in numbers], sizes, anchor)


def gather(outputs: Sequence[Values], metadata: ModelMetadata, role: str, anchor: Ints) -> Floats:
    """Return what a split head's outputs of one role say of some anchors, (channels, N), in the anchors' order.

    Args:
        outputs: in the order and shapes of the metadata.
        metadata: the model's layout.
        role: one that each stride has an output of.
        anchor: as in Boxes.
    """
    order = anchor.argsort(kind="stable")
    back = np.empty_like(order)
    back[order] = np.arange(len(order))
    numbers = [scale.others[role] for scale in scales_of(metadata.outputs)]
    values = values_at([outputs[number] for number in numbers], anchor.take(order)).take(back, axis=1)
    _check(values, outputs, metadata, numbers, anchor)
    return values


def _best(scores: Floats, conf: float, multi_label: bool) -> tuple[Ints, Ints, Floats]:
    """Return column, class id and score of what is above `conf` in (nc, N): each column's best class, or all."""
    if multi_label:
        column, class_id = np.greater(scores.T, conf).nonzero()
        return column, class_id, scores[class_id, column]
    class_id = scores.argmax(axis=0)
    confidence = scores[class_id, np.arange(len(class_id))]
    column = (confidence > conf).nonzero()[0]
    return column, class_id.take(column), confidence.take(column)


def _decoded(output: Values, metadata: ModelMetadata, conf: float, multi_label: bool) -> Boxes:
    shape = output.shape[:3]  # some toolkits add a fourth axis of length 1
    numbers = numbers_of(output).reshape(shape)
    scores = numbers[:, 4:]
    name, score = metadata.outputs[0].name, output._replace(numbers=scores) if isinstance(output, Quantized) else scores
    check_scores([(name, score)])
    anchor, _ = above([score], conf)
    chosen = columns(output, anchor)
    column, class_id, confidence = _best(chosen[4:], conf, multi_label)
    check_numbers(chosen, [name], [shape[2]], anchor)
    xywh = np.clip(chosen[:4].take(column, axis=1).T, -FAR, FAR)
    if metadata.normalized:
        xywh = xywh * np.tile(np.array(metadata.imgsz[::-1], np.float32), 2)
    half = xywh[:, 2:] / 2
    xyxy = np.concatenate([xywh[:, :2] - half, xywh[:, :2] + half], axis=1)
    return Boxes(xyxy, np.minimum(confidence, 1), class_id, anchor.take(column))


def candidates(outputs: Sequence[Values], metadata: ModelMetadata, thresholds: Thresholds) -> Boxes:
    """Decode what may be a result: what remains is to suppress duplicates.

    An end-to-end head has none: there, the `max_det` best pairs of anchor and class are the result, as in ultralytics'
    Detect.postprocess, and `multi_label` changes nothing.

    Args:
        outputs: in the order and shapes of the metadata, float32 or as the chip has them; not written to.
        metadata: the model's layout.
        thresholds: what is kept.

    Returns:
        Boxes in input pixels, at most MAX_CANDIDATES; those of an end-to-end head the most confident first.
    """
    multi_label = thresholds.multi_label or metadata.end_to_end
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
    class_id = None if thresholds.agnostic_nms else found.class_id
    return found[nms(found.xyxy, found.confidence, class_id, iou=thresholds.iou)[: thresholds.max_det]]
