"""Time the numpy calls that post-processing cannot do without, beside all of it and beside ultralytics' own.

    .venv/bin/python scripts/bench/floor.py MODEL.onnx IMAGE

MODEL is a detector, or one of oriented boxes, with YOLOv8's or YOLO11's split head; of the latter the outputs are made
up. What stands as "numpy's calls" is given all that can be known beforehand, and checks nothing; of turned boxes it has
the arithmetic of tasks/rotated.py. What goes through all scores once, with numpy, is hardly faster. Each way takes
turns with ultralytics alone, so that what it finds in the CPU's caches is what ultralytics left there; see recorded.py.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import postprocess
import tasks
import torch
from beside import DEMO_IMAGES, arguments, compare, show
from numpy.typing import NDArray
from recorded import FRAMES, record

from yolorknn.image import Letterbox
from yolorknn.model.metadata import ModelMetadata
from yolorknn.model.values import Quantized, Values, numbers_of
from yolorknn.tasks.anchors import anchor_points, corners
from yolorknn.tasks.boxes import scales_of
from yolorknn.tasks.known import task_of
from yolorknn.tasks.rotated import EPSILON, corners_of, gaussians, turned_about, twice_distance
from yolorknn.tasks.rotated import upright as upright_around
from yolorknn.tasks.task import Thresholds

CONF, IOU = 0.25, 0.7


class Head:
    """What is known before the numbers are: where they lie, what they are compared to, what they are times."""

    def __init__(self, outputs: Sequence[Values], metadata: ModelMetadata) -> None:
        self.scales = scales_of(metadata.outputs)
        self.outputs, self.metadata = outputs, metadata
        self.cls = self.tables([scale.cls for scale in self.scales])
        self.box = self.tables([scale.box for scale in self.scales])
        sizes = [table.shape[1] for table in self.cls]
        self.starts = np.cumsum([0, *sizes])
        parts = [outputs[scale.cls] for scale in self.scales]
        quantized = [part for part in parts if isinstance(part, Quantized)]
        limits = [min(math.floor(CONF / part.scale + part.zero_point), 127) for part in quantized]
        if not quantized:
            self.cls = [table.view(np.int32) for table in self.cls]
            limits = [int(np.float32(CONF).view(np.int32))] * len(parts)
        self.limits = np.repeat(np.array(limits, self.cls[0].dtype), sizes)
        self.score_factor, self.box_factor, self.angle_factor = (
            self.factor([number for number, output in enumerate(metadata.outputs) if output.role == role])
            for role in ("cls", "box", "angle")
        )
        strides = tuple(scale.stride for scale in self.scales)
        self.corners = corners(metadata.imgsz, strides)
        self.points = anchor_points(metadata.imgsz, strides)[:2].copy()
        self.angle = self.tables([scale.others["angle"] for scale in self.scales]) if metadata.task == "obb" else []
        bins = metadata.reg_max
        rows = [np.kron(np.eye(4), row) for row in (np.arange(bins), np.ones(bins))]
        self.bins = np.concatenate(rows).astype(np.float32)

    def tables(self, numbers: Sequence[int]) -> list[NDArray[Any]]:
        """Return some outputs as tables of channels and cells."""
        arrays = [numbers_of(self.outputs[number]) for number in numbers]
        return [array.reshape(array.shape[1], -1) for array in arrays]

    def factor(self, numbers: Sequence[int]) -> NDArray[np.float32] | None:
        """Return scale and zero point of each cell, of quantized outputs."""
        parts = [self.outputs[number] for number in numbers]
        cells = [math.prod(part.shape[2:]) for part in parts]
        pairs = [(part.scale, part.zero_point) for part in parts if isinstance(part, Quantized)]
        return np.repeat(np.array(pairs, np.float32).T, cells, axis=1) if pairs else None


def candidates(head: Head) -> Callable[[], Any]:
    """Return what finds cells above CONF, where they are in each stride, and their classes, scores and corners."""
    (c0, c1, c2), (b0, b1, b2) = head.cls, head.box
    highest, mask = np.empty_like(head.limits), np.empty(len(head.limits), np.bool_)
    h0, h1, h2 = (highest[start:stop] for start, stop in zip(head.starts, head.starts[1:], strict=False))
    inner, (_, s1, s2, _) = head.starts[1:3], head.starts.tolist()
    limits, table, bins = head.limits, head.corners, head.bins
    score_factor, box_factor = head.score_factor, head.box_factor
    most, join = np.maximum.reduce, np.concatenate

    def run() -> Any:
        most(c0, axis=0, out=h0)
        most(c1, axis=0, out=h1)
        most(c2, axis=0, out=h2)
        cell = np.greater(highest, limits, out=mask).nonzero()[0]
        i, j = cell.searchsorted(inner)
        k0, k1, k2 = cell[:i], cell[i:j] - s1, cell[j:] - s2
        class_id = join((c0.take(k0, axis=1), c1.take(k1, axis=1), c2.take(k2, axis=1)), axis=1).argmax(axis=0)
        score = highest.take(cell)
        raw = join((b0.take(k0, axis=1), b1.take(k1, axis=1), b2.take(k2, axis=1)), axis=1)
        if score_factor is None or box_factor is None:
            score = score.view(np.float32)
        else:
            score, raw = score.astype(np.float32), raw.astype(np.float32)
            scale, zero = score_factor.take(cell, axis=1)
            score -= zero
            score *= scale
            scale, zero = box_factor.take(cell, axis=1)
            raw -= zero
            raw *= scale
        sums = bins @ np.exp(raw, out=raw)
        sides = sums[:4] / sums[4:]
        known = table.take(cell, axis=1)
        sides *= known[4:]
        sides += known[:4]
        return cell, (k0, k1, k2), class_id, score, sides

    return run


def upright(head: Head, _: Letterbox) -> Callable[[], Any]:
    """Return what finds upright boxes, in the input's pixels."""
    found, suppress = candidates(head), cv2.dnn.NMSBoxes

    def run() -> Any:
        _, _, class_id, score, sides = found()
        laid = sides.T.astype(np.float64)
        laid[:, 2:] -= laid[:, :2]
        laid[:, :2] += (class_id * 4096)[:, None]
        kept = np.asarray(suppress(laid.tolist(), score.tolist(), 0.0, IOU))
        return score.take(kept), class_id.take(kept), sides.take(kept, axis=1)

    return run


def turned(head: Head, placed: Letterbox) -> Callable[[], Any]:
    """Return what finds turned boxes, in the image's pixels."""
    found, (a0, a1, a2), points, factor = candidates(head), head.angle, head.points, head.angle_factor
    back, join = into_image(placed), np.concatenate

    def run() -> Any:
        cell, (k0, k1, k2), class_id, score, sides = found()
        angle = join((a0.take(k0, axis=1), a1.take(k1, axis=1), a2.take(k2, axis=1)), axis=1)[0]
        if factor is not None:
            scale, zero = factor.take(cell, axis=1)
            angle = angle.astype(np.float32)
            angle -= zero
            angle *= scale
        angle -= 0.25
        angle *= math.pi
        point = points.take(cell, axis=1)
        rows = turned_about(sides[:2], sides[2:], point, angle)
        last = suppressed(rows, class_id, score)
        return score.take(last), class_id.take(last), back(rows.take(last, axis=1))

    return run


_SECOND, _FIRST = np.tril_indices(200, -1)
LEAST = -2 * math.log(1 - (1 - IOU) ** 2 + EPSILON)
"""The distance below which boxes overlap by more than IOU."""


def suppressed(rows: NDArray[np.float32], class_id: NDArray[Any], score: NDArray[Any]) -> NDArray[Any]:
    """Return which turned boxes stay: of one class each is compared with each, by the distance of Gaussians."""
    order = (-score).argsort(kind="stable")
    table = gaussians(rows.take(order, axis=1).T)
    classes, pairs = class_id.take(order), len(order) * (len(order) - 1) // 2
    one, other = _FIRST[:pairs], _SECOND[:pairs]
    alike = (classes.take(one) == classes.take(other)).nonzero()[0]
    one, other = one.take(alike), other.take(alike)
    distance = twice_distance(table.take(one, axis=1), table.take(other, axis=1))
    kept = np.ones(len(order), np.bool_)
    kept[other[distance < LEAST]] = False
    found: NDArray[Any] = order[kept]
    return found


def into_image(placed: Letterbox) -> Callable[[NDArray[np.float32]], Any]:
    """Return what makes corners and upright boxes of rows, in the image's pixels."""
    (height, width), (h, w) = placed.source, placed.resized
    back = np.array([width / w, height / h], np.float32)[:, None]
    before = np.array([placed.left, placed.top], np.float32)[:, None]
    ends = np.array([width, height, width, height], np.float32)

    def run(rows: NDArray[np.float32]) -> Any:
        rows[:2] -= before
        rows[:2] *= back
        rows[2:4] *= back
        boxes = rows.T
        corners = corners_of(boxes)
        around = upright_around(corners)
        np.minimum(np.maximum(around, 0, out=around), ends, out=around)
        return around, corners

    return run


def main() -> None:
    """Compare, and print."""
    parser = arguments(__doc__, rounds=100)
    parser.add_argument("model", type=Path)
    parser.add_argument("image", type=Path, nargs="?", default=DEMO_IMAGES / "0000.jpg")
    given = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    metadata, scenes = record(given.model, [given.image])
    outputs, placed = scenes[0].outputs, scenes[0].placed
    task, thresholds = task_of(metadata), Thresholds(CONF, IOU)
    floor: Callable[[Head, Letterbox], Callable[[], Any]] = upright
    if metadata.task == "obb":
        outputs, floor = task.scene(metadata), turned
        theirs = tasks.ultralytics(outputs, metadata, placed.source)
    else:
        strides = [scale.stride for scale in scales_of(metadata.outputs)]
        theirs = postprocess.ultralytics(outputs, strides, CONF)
    quantized = [postprocess.int8(array) for array in outputs]
    for frames, shape in FRAMES.items():
        np.zeros(shape, np.uint8)
        for kind, of in (("float32", outputs), ("int8", quantized)):
            bare = floor(Head(of, metadata), placed)
            ours = functools.partial(task.decode, of, metadata, thresholds, placed)
            score, class_id, *_ = bare()
            assert np.array_equal(score, ours().confidence)
            assert np.array_equal(class_id, ours().class_id)
            for name, run in (("numpy's calls", bare), ("yolorknn", ours)):
                rows = {"ultralytics": _of_no_round(theirs), name: _of_no_round(run)}
                show(f"{frames}, {kind}", compare(rows, rounds=given.rounds, repeats=postprocess.REPEATS))


def _of_no_round(run: Callable[[], object]) -> Callable[[int], object]:
    return lambda _: run()


if __name__ == "__main__":
    main()
