"""The task "segment": boxes with a class and a mask each.

Outputs of a split head: per stride `box`, `cls` and perhaps `sum` as of detect.py, and `mask` (1, P, h, w), the weights
of the P prototypes; over all strides `proto` (1, P, h, w). A mask is where their weighted sum is above 0, within the
box; there alone it is ever computed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from yolorknn.errors import InferenceError
from yolorknn.image import Image, Letterbox
from yolorknn.model.evidence import Evidence
from yolorknn.model.metadata import ModelMetadata, Output, Tensor
from yolorknn.model.values import Values, part
from yolorknn.tasks.box_task import BoxTask
from yolorknn.tasks.boxes import gather, postprocess
from yolorknn.tasks.detections import Detections
from yolorknn.tasks.drawing import draw_boxes, draw_masks
from yolorknn.tasks.mask_text import read_mask, write_mask
from yolorknn.tasks.records import box_records, read_boxes
from yolorknn.tasks.sound import HINT
from yolorknn.tasks.split import grids_of, read_grids, split_shapes
from yolorknn.tasks.task import Floats, Layout, Thresholds, Wording

ROLES = ("box", "cls", "mask"), ("box", "cls", "sum", "mask")
"""Of the outputs of a stride: ours, and the model zoo's."""

BAND = 64
"""So many rows of an image are made at a time, as they stay in the cache then."""


class Segment(BoxTask):
    """Boxes with a class and a mask each; see tasks.task.Task."""

    name = "segment"

    def shapes(self, metadata: ModelMetadata) -> dict[str, tuple[int, ...]]:
        """Return the outputs' shapes."""
        return split_shapes(metadata, mask=metadata.prototypes, proto=metadata.prototypes)

    def recognise(self, imgsz: tuple[int, int], outputs: Sequence[Tensor], evidence: Evidence) -> Layout | None:
        """Know the model zoo's head and ours: box, cls, perhaps a score sum, and mask per stride; the prototypes last.

        The prototypes are as many as each stride's weights; no other head has such an output.
        """
        grids = grids_of(imgsz, outputs)
        proto = grids.pop() if grids else None
        if proto is None or len(proto.outputs) != 1:
            return None
        count = proto.channels[0]
        found = read_grids(grids, evidence, ROLES, mask=count)
        if found is None:
            return None
        sides = {output.role: tensor.shape[1] for output, tensor in zip(found, outputs, strict=False)}
        found.append(Output(proto.outputs[0].name, "proto", proto.stride))
        return Layout("split", tuple(found), sides["cls"], sides["box"] // 4, prototypes=count)

    def decode(
        self, outputs: Sequence[Values], metadata: ModelMetadata, thresholds: Thresholds, placed: Letterbox
    ) -> Detections:
        """Decode, suppress duplicates, and undo the letterbox; masks of what remains."""
        boxes = postprocess(outputs, metadata, thresholds)
        xyxy = placed.undo(boxes.xyxy)
        weights = gather(outputs, metadata, "mask", boxes.anchor)
        (at,) = (number for number, output in enumerate(metadata.outputs) if output.role == "proto")
        masks = _masks(weights.T, outputs[at], metadata.outputs[at], xyxy, placed)
        return Detections(xyxy, boxes.confidence, boxes.class_id, mask=masks)

    def holds(self, found: object) -> bool:
        """Know Detections with masks."""
        return isinstance(found, Detections) and found.mask is not None

    def record(self, found: Detections, wording: Wording) -> list[dict[str, Any]]:
        """Return class_id, name, confidence, xyxy and mask of each object."""
        assert found.mask is not None
        return box_records(found, wording, mask=(write_mask(mask, wording.masks) for mask in found.mask))

    def read(self, records: Sequence[Mapping[str, Any]]) -> Detections:
        """Return the objects of records; with none, masks of an image without pixels."""
        masks = [read_mask(record["mask"]) for record in records]
        return Detections(**read_boxes(records), mask=np.stack(masks) if masks else np.zeros((0, 0, 0), np.bool_))

    def draw(self, canvas: Image, found: Detections, names: Mapping[int, str] | Sequence[str]) -> None:
        """Draw masks, and over them boxes with names and confidences."""
        draw_masks(canvas, found)
        draw_boxes(canvas, found, names)


def _masks(
    weights: Floats, proto: Values, output: Output, xyxy: NDArray[np.float32], placed: Letterbox
) -> NDArray[np.bool_]:
    """Return masks of the image's size, (N, H, W), each empty outside its box.

    As ultralytics' process_mask_native: the sum over the prototypes is enlarged as often as it takes for the picture
    to begin and end at whole cells, and these, nothing around them, to the image; but only as far as the box goes.

    Args:
        weights: (N, P).
        proto: (1, P, h, w).
        output: the name of the prototypes, and input pixels per cell.
        xyxy: boxes in pixels of the image, (N, 4), within it.
        placed: where the image lies in the input.

    Raises:
        InferenceError: a prototype has NaN there.
    """
    name, stride = output.name, output.stride
    masks = np.zeros((len(xyxy), *placed.source), np.bool_)
    factor = stride // math.gcd(stride, placed.top, placed.left, *placed.resized)
    rows = _Line(placed.source[0], placed.resized[0] * factor // stride, placed.top * factor // stride)
    columns = _Line(placed.source[1], placed.resized[1] * factor // stride, placed.left * factor // stride)
    for mask, weight, box in zip(masks, weights, np.ceil(xyxy).astype(int).tolist(), strict=True):
        x1, y1, x2, y2 = box
        if x1 >= x2 or y1 >= y2:
            continue
        row, column = rows.cut(y1, y2), columns.cut(x1, x2)
        # The cells around these, and one more on each side to interpolate with.
        top, left = max(0, row.first // factor - 1), max(0, column.first // factor - 1)
        cells = part(
            proto, (0, slice(None), slice(top, row.last // factor + 2), slice(left, column.last // factor + 2))
        )
        total = (weight @ cells.reshape(len(weight), -1)).reshape(cells.shape[1:])
        if np.isnan(total).any():
            raise InferenceError(f"output {name} has NaN where something was found: {HINT}")
        if factor > 1:
            total = cv2.resize(total, None, fx=factor, fy=factor, interpolation=cv2.INTER_LINEAR)
        wide = np.ascontiguousarray(column.sample(total.T, left * factor).T)
        for start in range(0, y2 - y1, BAND):
            band = row.some(start, start + BAND)
            np.greater(band.sample(wide, top * factor), 0, out=mask[y1 + start : min(y1 + start + BAND, y2), x1:x2])
    return masks


class _Line(NamedTuple):
    """One side of an image, in pixels, and the same in cells: their number, and that of the first."""

    pixels: int
    cells: int
    start: int

    def cut(self, first: int, stop: int) -> _Cut:
        """Return where pixels lie between the cells."""
        middles = (np.arange(first, stop) + 0.5) * (self.cells / self.pixels) - 0.5
        places = np.clip(middles, 0, self.cells - 1)
        before = np.minimum(places.astype(int), max(0, self.cells - 2))
        return _Cut(before + self.start, (places - before).astype(np.float32)[:, None])


class _Cut(NamedTuple):
    """Pixels between cells."""

    before: NDArray[Any]
    """The cell before each."""
    share: Floats
    """How much each has of the cell after, (N, 1)."""

    @property
    def first(self) -> int:
        """The first cell that is needed."""
        return int(self.before[0])

    @property
    def last(self) -> int:
        """The last cell that is needed, where the line has one more."""
        return int(self.before[-1]) + 1

    def some(self, first: int, stop: int) -> _Cut:
        """Return some of the pixels."""
        return _Cut(self.before[first:stop], self.share[first:stop])

    def sample(self, cells: Floats, start: int) -> Floats:
        """Return the pixels (N, M) of cells (K, M), of which the first has the number `start`."""
        cells = cells[self.first - start : self.last - start + 1]
        before = self.before - self.first
        if not (self.share % 1).any():
            places = before + self.share[:, 0].astype(int)
            stretch = len(places) == np.ptp(places) + 1
            return cells[places[0] : places[-1] + 1] if stretch else cells.take(places, axis=0)
        steps = np.diff(cells, axis=0, append=cells[-1:])
        pixels = steps.take(before, axis=0)
        pixels *= self.share
        pixels += cells.take(before, axis=0)
        return pixels
