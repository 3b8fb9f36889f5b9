"""From head tensors to boxes: threshold, DFL, decode, NMS. Pure functions of arrays that never write their inputs.

Only anchors above the threshold are decoded: of 8400 some sixty pass, so the rest is never touched.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from yolorknn.model.metadata import ModelMetadata

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

MAX_CANDIDATES = 30000
"""At most so many candidates, the most confident, reach NMS (ultralytics' max_nms)."""


@dataclass(frozen=True)
class Boxes:
    """Boxes in pixels of the model's input: xyxy float32 (N, 4), confidence float32 (N,), class_id int64 (N,)."""

    xyxy: Floats
    confidence: Floats
    class_id: Ints


@lru_cache
def anchor_points(imgsz: tuple[int, int], strides: tuple[int, ...]) -> Floats:
    """Return the centres of all cells and their strides, (3, anchors): x and y in input pixels, and the stride.

    Cells are numbered stride by stride, row by row.
    """
    columns = []
    for stride in strides:
        y, x = np.mgrid[: imgsz[0] // stride, : imgsz[1] // stride] + 0.5
        columns.append(np.stack([x.ravel() * stride, y.ravel() * stride, np.full(x.size, stride)]))
    points: Floats = np.concatenate(columns, axis=1).astype(np.float32)
    points.flags.writeable = False
    return points


class _Buffers(threading.local):
    """A thread's own arrays over all anchors, by their number: each one's best score (1, anchors), and a mask."""

    def __init__(self) -> None:
        self._arrays: dict[int, tuple[Floats, NDArray[np.bool_]]] = {}

    def of(self, anchors: int) -> tuple[Floats, NDArray[np.bool_]]:
        if anchors not in self._arrays:
            self._arrays[anchors] = np.empty((1, anchors), np.float32), np.empty(anchors, np.bool_)
        return self._arrays[anchors]


_buffers = _Buffers()


@lru_cache
def _bins(reg_max: int) -> Floats:
    """Return the rows that turn a distribution into its weighted sum and its sum, (2, reg_max)."""
    bins: Floats = np.stack([np.arange(reg_max), np.ones(reg_max)]).astype(np.float32)
    bins.flags.writeable = False
    return bins


def dfl(logits: Floats) -> Floats:
    """Return the expected distance of each distribution: softmax over axis 1, times 0..reg_max-1.

    Distribution Focal Loss, https://arxiv.org/abs/2006.04388, equation 4.

    Args:
        logits: (4, reg_max, N).

    Returns:
        Distances in cells, (4, N).
    """
    weights = logits - np.maximum.reduce(logits, axis=1, keepdims=True)
    np.exp(weights, out=weights)
    sums = _bins(logits.shape[1]) @ weights
    distances: Floats = sums[:, 0] / sums[:, 1]
    return distances


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
    scales = metadata.scales
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
        return Boxes(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64))
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
    return Boxes(xyxy, confidence, class_id)


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
    scores = output[0, 4:]
    ceiling, above = _buffers.of(scores.shape[1])
    cv2.reduce(scores, 0, cv2.REDUCE_MAX, ceiling)
    index = np.greater(ceiling[0], conf, out=above).nonzero()[0]
    column, class_id, confidence = _best(scores.take(index, axis=1), conf, multi_label)
    xywh = output[0, :4].take(index.take(column), axis=1).T
    if metadata.normalized:
        xywh = xywh * np.tile(np.array(metadata.imgsz[::-1], np.float32), 2)
    half = xywh[:, 2:] / 2
    return Boxes(np.concatenate([xywh[:, :2] - half, xywh[:, :2] + half], axis=1), confidence, class_id)


def nms(xyxy: NDArray[Any], confidence: NDArray[Any], class_id: NDArray[Any] | None, *, iou: float) -> Ints:
    """Return the indices that non-maximum suppression keeps, the most confident first.

    Greedy and class by class: a box goes when its IoU with a kept, more confident box of its class exceeds `iou`.
    Equal confidence is ordered by index, so that the same boxes always give the same result.

    Args:
        xyxy: (N, 4); a box without area counts as a millionth of a pixel wide or high.
        confidence: (N,), above 0.
        class_id: (N,), or None to compare boxes of all classes.
        iou: 0 to 1.
    """
    if len(xyxy) == 0:
        return np.zeros(0, np.int64)
    boxes = xyxy.astype(np.float64)
    np.maximum(boxes[:, 2:] - boxes[:, :2], 1e-6, out=boxes[:, 2:])
    if class_id is not None:  # classes are moved apart, in float64: float32 would round the boxes and change results
        step = 2 * np.abs(boxes).max() + boxes[:, 2:].max() + 1
        boxes[:, :2] += (class_id * step)[:, None]
    kept = cv2.dnn.NMSBoxes(boxes.tolist(), confidence.tolist(), 0.0, iou)
    return np.asarray(kept, np.int64).ravel()


def postprocess(
    outputs: Sequence[Floats],
    metadata: ModelMetadata,
    *,
    conf: float,
    iou: float,
    max_det: int,
    classes: Sequence[int] | None = None,
    multi_label: bool = False,
    agnostic_nms: bool = False,
) -> Boxes:
    """Decode a model's outputs and suppress duplicates.

    An end-to-end head has none: there, the `max_det` best pairs of anchor and class are the result, as in ultralytics'
    Detect.postprocess, and `iou` and `multi_label` change nothing.

    Args:
        outputs: float32 arrays in the order and shapes of the metadata; not written to.
        metadata: the model's layout.
        conf: confidence threshold, exclusive.
        iou: IoU above which the less confident of two boxes of one class goes.
        max_det: at most so many boxes are returned.
        classes: class ids to keep, None for all.
        multi_label: see decode().
        agnostic_nms: let a box suppress those of other classes too.

    Returns:
        Boxes in input pixels, the most confident first.
    """
    found = decode(outputs, metadata, conf=conf, multi_label=multi_label or metadata.end_to_end)
    if classes is not None:
        found = _take(found, np.flatnonzero(np.isin(found.class_id, np.asarray(classes, np.int64))))
    if metadata.end_to_end:
        return _take(found, np.argsort(-found.confidence, kind="stable")[:max_det])
    if len(found.confidence) > MAX_CANDIDATES:
        found = _take(found, np.argsort(-found.confidence, kind="stable")[:MAX_CANDIDATES])
    class_id = None if agnostic_nms else found.class_id
    return _take(found, nms(found.xyxy, found.confidence, class_id, iou=iou)[:max_det])


def _take(boxes: Boxes, index: Ints) -> Boxes:
    return Boxes(boxes.xyxy[index], boxes.confidence[index], boxes.class_id[index])
