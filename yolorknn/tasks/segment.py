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
from yolorknn.tasks.candidate import FAR
from yolorknn.tasks.detections import Detections
from yolorknn.tasks.drawing import draw_boxes, draw_masks
from yolorknn.tasks.likeness import Likeness, of_masks
from yolorknn.tasks.mask_memory import blank_masks
from yolorknn.tasks.mask_text import read_mask, write_mask
from yolorknn.tasks.records import box_records, read_boxes
from yolorknn.tasks.sound import HINT
from yolorknn.tasks.split import grids_of, in_order, read_grids, split_shapes
from yolorknn.tasks.task import Floats, Layout, Thresholds, Wording

ROLES = ("box", "cls", "mask"), ("box", "cls", "sum", "mask")
"""Of the outputs of a stride: ours, and the model zoo's."""

BAND = 1 << 16
"""About so many pixels are made at a time, as they stay in the cache then."""


class Segment(BoxTask):
    """Boxes with a class and a mask each; see tasks.task.Task."""

    name = "segment"

    def shapes(self, metadata: ModelMetadata) -> dict[str, tuple[int, ...]]:
        """Return the outputs' shapes."""
        return split_shapes(metadata, mask=metadata.prototypes, proto=metadata.prototypes)

    def recognise(self, imgsz: tuple[int, int], outputs: Sequence[Tensor], evidence: Evidence) -> Layout | None:
        """Know the model zoo's head and ours: box, cls, perhaps a score sum, and mask per stride; and the prototypes.

        The prototypes are as many as each stride's weights; no other head has such an output.
        """
        grids = grids_of(imgsz, outputs)
        alone = [grid for grid in grids if len(grid.outputs) == 1]
        if len(alone) != 1:
            return None
        (proto,) = alone
        grids.remove(proto)
        count = proto.channels[0]
        found = read_grids(grids, evidence, ROLES, mask=count)
        if found is None:
            return None
        ordered = in_order([*found, Output(proto.outputs[0].name, "proto", proto.stride)], outputs)
        sides = {output.role: tensor.shape[1] for output, tensor in zip(ordered, outputs, strict=True)}
        return Layout("split", ordered, sides["cls"], sides["box"] // 4, prototypes=count)

    def decode(
        self, outputs: Sequence[Values], metadata: ModelMetadata, thresholds: Thresholds, placed: Letterbox
    ) -> Detections:
        """Decode, suppress duplicates, and undo the letterbox; masks of what remains."""
        boxes = postprocess(outputs, metadata, thresholds)
        xyxy = placed.undo(boxes.xyxy)
        (weights,) = gather(outputs, metadata, boxes, "mask")
        (at,) = (number for number, output in enumerate(metadata.outputs) if output.role == "proto")
        masks = _masks(weights.T, outputs[at], metadata.outputs[at], xyxy, placed)
        return Detections(xyxy, boxes.confidence, boxes.class_id, mask=masks)

    def holds(self, found: object) -> bool:
        """Know Detections with masks."""
        return isinstance(found, Detections) and found.mask is not None

    def likeness(self, expected: Detections, found: Detections) -> tuple[Likeness, ...]:
        """Compare masks."""
        assert expected.mask is not None and found.mask is not None
        return (of_masks(expected.mask, found.mask),)

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
    weights = np.clip(weights, -FAR, FAR)  # of an infinite one times 0 the sum would be no number
    masks, written = blank_masks(len(xyxy), placed.source)
    factor = stride // math.gcd(stride, placed.top, placed.left, *placed.resized)
    rows = _Line.of(placed.source[0], placed.resized[0] * factor // stride, placed.top * factor // stride)
    columns = _Line.of(placed.source[1], placed.resized[1] * factor // stride, placed.left * factor // stride)
    for number, (x1, y1, x2, y2) in enumerate(np.ceil(xyxy).astype(int).tolist()):
        if x1 >= x2 or y1 >= y2:
            continue
        column = columns.around(x1, x2)
        height = -(-BAND // column.pixels)
        whole = rows.pixels <= height  # else whole parts would be made for a few rows of them
        row = rows.around(y1, y2) if whole else rows.near(y1, y2)
        # The cells of these, and one more on each side to interpolate with.
        top, left = max(0, row.first // factor - 1), max(0, column.first // factor - 1)
        bottom, right = -(-row.stop // factor) + 1, -(-column.stop // factor) + 1
        cells = part(proto, (0, slice(None), slice(top, bottom), slice(left, right)))
        total = _sum(weights[number], cells)
        if np.isnan(total).any():
            total = _sum(weights[number], np.clip(cells, -FAR, FAR))  # infinite ones, of which some are subtracted
        if np.isnan(total).any():
            raise InferenceError(f"output {name} has NaN where something was found: {HINT}")
        if factor > 1:
            total = cv2.resize(total, None, fx=factor, fy=factor, interpolation=cv2.INTER_LINEAR)
        total = total[row.first - top * factor :, column.first - left * factor : column.stop - left * factor]
        written.append((number, slice(y1, y2), slice(x1, x2)))
        for start in range(y1, y2, height):
            stop = min(start + height, y2)
            band = rows.around(start, stop) if whole else rows.near(start, stop)
            some = total[band.first - row.first : band.stop - row.first]
            if not whole:
                some = rows.between(some, band)
            pixels = cv2.resize(some, (column.pixels, band.pixels), interpolation=cv2.INTER_LINEAR)
            inside = pixels[start - band.pixel : stop - band.pixel, x1 - column.pixel : x2 - column.pixel]
            np.greater(inside, 0, out=masks[number, start:stop, x1:x2])
    return masks


def _sum(weights: Floats, cells: Floats) -> NDArray[Any]:
    """Return the weighted sum (h, w) of prototypes (P, h, w)."""
    with np.errstate(over="ignore", invalid="ignore"):
        total: NDArray[Any] = (weights @ cells.reshape(len(cells), -1)).reshape(cells.shape[1:])
    return total


class _Cut(NamedTuple):
    """A part of one side of an image that is interpolated from whole cells, as a resize of these alone does it."""

    first: int
    """Of the cells."""
    stop: int
    """Behind the last."""
    pixel: int
    """The first of the pixels."""
    pixels: int
    """How many."""


class _Line(NamedTuple):
    """One side of an image, as the parts in which whole cells become whole pixels."""

    parts: int
    cells: int
    """Of a part."""
    pixels: int
    """Of a part."""
    start: int
    """The first cell."""

    @classmethod
    def of(cls, pixels: int, cells: int, start: int) -> _Line:
        """Divide so many pixels, and the cells that they are made of."""
        parts = math.gcd(pixels, cells)
        return cls(parts, cells // parts, pixels // parts, start)

    def around(self, first: int, stop: int) -> _Cut:
        """Return the fewest parts that hold all cells between which these pixels lie.

        Pixel x lies at (x + 0.5) * cells / pixels - 0.5, in cells.
        """
        before, after = self._cells(first, stop)
        low, high = before // self.cells, min((after - 1) // self.cells + 1, self.parts)
        return _Cut(
            self.start + low * self.cells, self.start + high * self.cells, low * self.pixels, (high - low) * self.pixels
        )

    def near(self, first: int, stop: int) -> _Cut:
        """Return just the cells between which these pixels lie; see between()."""
        before, after = self._cells(first, stop)
        return _Cut(self.start + before, self.start + min(after, self.parts * self.cells), first, stop - first)

    def between(self, rows: Floats, cut: _Cut) -> Floats:
        """Return of the rows of near()'s cells those of its pixels, interpolated."""
        at = (np.arange(cut.pixel, cut.pixel + cut.pixels) + 0.5) * (self.cells / self.pixels) - 0.5
        at = np.clip(at + (self.start - cut.first), 0, len(rows) - 1)
        low = at.astype(np.int64)
        share = (at - low).astype(np.float32)[:, None]
        some: Floats = rows[low] * (1 - share)
        some += rows[np.minimum(low + 1, len(rows) - 1)] * share
        return some

    def _cells(self, first: int, stop: int) -> tuple[int, int]:
        """Return the first cell that these pixels need, and the one behind the last, which may be none."""
        _, cells, pixels, _ = self
        before = max(0, (2 * first + 1) * cells - pixels) // (2 * pixels)
        return before, max(0, (2 * stop - 1) * cells - pixels) // (2 * pixels) + 2
