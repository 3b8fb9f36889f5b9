"""From head tensors to boxes: threshold, DFL, decode, NMS. Pure functions of arrays that never write their inputs.

Only anchors above the threshold are decoded: of 8400 some sixty pass, so the rest is never touched.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from yolorknn.model.metadata import ModelMetadata, Output
from yolorknn.tasks.anchors import anchor_points, dfl
from yolorknn.tasks.nms import nms
from yolorknn.tasks.task import Floats, Ints, Thresholds

MAX_CANDIDATES = 30000
"""At most so many candidates, the most confident, reach NMS (ultralytics' max_nms)."""


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
        return Boxes(self.xyxy[index], self.confidence[index], self.class_id[index], self.anchor[index])


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


class _Buffers(threading.local):
    """A thread's own arrays over all anchors, by their number: each one's best score (1, anchors), and a mask."""

    def __init__(self) -> None:
        self._arrays: dict[int, tuple[Floats, NDArray[np.bool_]]] = {}

    def of(self, anchors: int) -> tuple[Floats, NDArray[np.bool_]]:
        if anchors not in self._arrays:
            self._arrays[anchors] = np.empty((1, anchors), np.float32), np.empty(anchors, np.bool_)
        return self._arrays[anchors]


_buffers = _Buffers()


def decode(outputs: Sequence[Floats], metadata: ModelMetadata, *, conf: float, multi_label: bool = False) -> Boxes:
    """Return the boxes whose confidence is above `conf`, before NMS, ordered by stride, then anchor.

    Args:
        outputs: float32 arrays in the order and shapes of the metadata.
        metadata: the model's layout.
        conf: threshold, exclusive, as in ultralytics.
        multi_label: one box for each class above `conf` (as ultralytics' val) rather than for the best class.
    """
    if metadata.head == "decoded":
        return _decoded(outputs[0], metadata, conf, multi_label)
    return _split(outputs, metadata, conf, multi_label)


def _split(outputs: Sequence[Floats], metadata: ModelMetadata, conf: float, multi_label: bool) -> Boxes:
    scales = scales_of(metadata.outputs)
    points = anchor_points(metadata.imgsz, tuple(scale.stride for scale in scales))
    ceiling, above = _buffers.of(points.shape[1])
    start, starts = 0, [0]
    for scale in scales:
        cls = outputs[scale.cls].reshape(len(metadata.names), -1)
        stop = start + cls.shape[1]
        if scale.sum is None:
            cv2.reduce(cls, 0, cv2.REDUCE_MAX, ceiling[:, start:stop])
        else:
            ceiling[0, start:stop] = outputs[scale.sum].ravel()
        start = stop
        starts.append(stop)
    index = np.greater(ceiling[0], conf, out=above).nonzero()[0]
    if len(index) == 0:
        return Boxes(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64), index)
    sides, scores = [], []
    cuts = index.searchsorted(starts)
    for scale, start, low, high in zip(scales, starts, cuts, cuts[1:], strict=False):
        if low < high:
            here = index[low:high] - start
            sides.append(_columns(outputs[scale.box], here))
            scores.append(_columns(outputs[scale.cls], here))
    raw, joined = np.concatenate(sides, axis=1), np.concatenate(scores, axis=1)
    if multi_label or scales[0].sum is not None:
        column, class_id, confidence = _best(joined, conf, multi_label)
        raw, index = raw.take(column, axis=1), index.take(column)
    else:  # the ceiling is the best class's score, so every column stays
        class_id, confidence = joined.argmax(axis=0), ceiling[0].take(index)
    distances = dfl(raw.reshape(4, metadata.reg_max, -1)) if metadata.reg_max > 1 else raw
    x, y, stride = points.take(index, axis=1)
    distances *= stride
    xyxy = np.empty((len(index), 4), np.float32)
    np.subtract(x, distances[0], out=xyxy[:, 0])
    np.subtract(y, distances[1], out=xyxy[:, 1])
    np.add(x, distances[2], out=xyxy[:, 2])
    np.add(y, distances[3], out=xyxy[:, 3])
    return Boxes(xyxy, confidence, class_id, index)


def gather(outputs: Sequence[Floats], metadata: ModelMetadata, role: str, anchor: Ints) -> Floats:
    """Return what a split head's outputs of one role say of some anchors, (channels, N), in the anchors' order.

    Args:
        outputs: float32 arrays in the order and shapes of the metadata.
        metadata: the model's layout.
        role: one that each stride has an output of.
        anchor: as in Boxes.
    """
    scales = scales_of(metadata.outputs)
    start = 0
    values = np.empty((outputs[scales[0].others[role]].shape[1], len(anchor)), np.float32)
    for scale in scales:
        output = outputs[scale.others[role]]
        stop = start + output.shape[2] * output.shape[3]
        here = ((anchor >= start) & (anchor < stop)).nonzero()[0]
        if len(here):
            values[:, here] = _columns(output, anchor.take(here) - start)
        start = stop
    return values


def _columns(output: Floats, index: Ints) -> Floats:
    """Return the values of some cells of one output, (channels, N)."""
    return output.reshape(output.shape[1], -1).take(index, axis=1)


def _best(scores: Floats, conf: float, multi_label: bool) -> tuple[Ints, Ints, Floats]:
    """Return column, class id and score of what is above `conf` in (nc, N): each column's best class, or all."""
    if multi_label:
        column, class_id = np.greater(scores.T, conf).nonzero()
        return column, class_id, scores[class_id, column]
    class_id = scores.argmax(axis=0)
    confidence = scores[class_id, np.arange(len(class_id))]
    column = (confidence > conf).nonzero()[0]
    return column, class_id.take(column), confidence.take(column)


def _decoded(output: Floats, metadata: ModelMetadata, conf: float, multi_label: bool) -> Boxes:
    output = output.reshape(output.shape[:3])  # some toolkits add a fourth axis of length 1
    scores = output[0, 4:]
    ceiling, above = _buffers.of(scores.shape[1])
    cv2.reduce(scores, 0, cv2.REDUCE_MAX, ceiling)
    index = np.greater(ceiling[0], conf, out=above).nonzero()[0]
    column, class_id, confidence = _best(scores.take(index, axis=1), conf, multi_label)
    xywh = output[0, :4].take(index.take(column), axis=1).T
    if metadata.normalized:
        xywh = xywh * np.tile(np.array(metadata.imgsz[::-1], np.float32), 2)
    half = xywh[:, 2:] / 2
    xyxy = np.concatenate([xywh[:, :2] - half, xywh[:, :2] + half], axis=1)
    return Boxes(xyxy, confidence, class_id, index.take(column))


def candidates(outputs: Sequence[Floats], metadata: ModelMetadata, thresholds: Thresholds) -> Boxes:
    """Decode what may be a result: what remains is to suppress duplicates.

    An end-to-end head has none: there, the `max_det` best pairs of anchor and class are the result, as in ultralytics'
    Detect.postprocess, and `multi_label` changes nothing.

    Args:
        outputs: float32 arrays in the order and shapes of the metadata; not written to.
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


def postprocess(outputs: Sequence[Floats], metadata: ModelMetadata, thresholds: Thresholds) -> Boxes:
    """Decode a model's outputs and suppress duplicates, of which an end-to-end head has none; see candidates().

    Returns:
        Boxes in input pixels, the most confident first.
    """
    found = candidates(outputs, metadata, thresholds)
    if metadata.end_to_end:
        return found
    class_id = None if thresholds.agnostic_nms else found.class_id
    return found[nms(found.xyxy, found.confidence, class_id, iou=thresholds.iou)[: thresholds.max_det]]
