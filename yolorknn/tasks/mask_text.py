"""Masks as text: COCO's compressed run-length encoding, and polygons around their parts.

RLE: the lengths of runs of 0 and 1 in turn, down the columns; from the fourth on each less the one two before; in
groups of 5 bits, the lowest first, plus 48, with a sixth bit where more follow
(https://github.com/cocodataset/cocoapi/blob/master/common/maskApi.c, rleToString).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from yolorknn.tasks.task import MaskForm

Mask = NDArray[np.bool_]

MOST_PIXELS = 1 << 28
"""Of a mask that is read: more than any camera's."""


def write_mask(mask: Mask, form: MaskForm) -> dict[str, Any]:
    """Return a mask (h, w) as JSON values: `size`, and `counts` as pycocotools takes them, or `polygons` [x1, y1, ...].

    Polygons go through the middles of the pixels at the edge; holes are not in them.
    """
    size = [int(side) for side in mask.shape]
    return {"size": size, "counts": _counts(mask)} if form == "rle" else {"size": size, "polygons": _polygons(mask)}


def read_mask(record: Mapping[str, Any]) -> Mask:
    """Return the mask that write_mask() wrote.

    Raises:
        KeyError, TypeError, ValueError: not such a record.
    """
    height, width = (int(side) for side in record["size"])
    if min(height, width) < 1 or height * width > MOST_PIXELS:
        raise ValueError(f"a mask has no {height} x {width} pixels")
    if "counts" not in record:
        canvas = np.zeros((height, width), np.uint8)
        for points in record["polygons"]:
            cv2.fillPoly(canvas, [np.array(points, np.int32).reshape(-1, 2)], (1,))
        return canvas.astype(np.bool_)
    runs = _runs(record["counts"])
    if sum(runs) != height * width or min(runs, default=0) < 0:
        raise ValueError(f"the run lengths of a mask do not add up to {height} x {width}")
    return np.repeat(np.arange(len(runs)) % 2 == 1, runs).reshape(width, height).T


def _span(used: NDArray[np.bool_]) -> slice:
    """Return from the first to the last that is set: of a frame an object is a small part."""
    at = used.nonzero()[0]
    return slice(int(at[0]), int(at[-1]) + 1) if len(at) else slice(0, 0)


def _counts(mask: Mask) -> str:
    columns = _span(mask.any(axis=0))
    pixels = np.concatenate([[False], mask[:, columns].T.ravel(), [False]])
    changes = np.flatnonzero(pixels[1:] != pixels[:-1]) + columns.start * mask.shape[0]
    changes = changes[: np.searchsorted(changes, mask.size)]
    runs = np.diff(changes, prepend=0, append=mask.size)
    runs[3:] -= runs[1:-2].copy()
    groups = runs[:, None] >> np.arange(0, mask.size.bit_length() + 1, 5)
    more = (groups < -16) | (groups > 15)
    used = np.concatenate([np.ones((len(runs), 1), np.bool_), more[:, :-1]], axis=1)
    letters = (((groups & 31) | (more << 5)) + 48)[used]
    return bytes(letters.tolist()).decode()


def _runs(counts: str) -> list[int]:
    runs: list[int] = []
    value = shift = 0
    for byte in counts.encode():
        group = byte - 48
        value |= (group & 31) << shift
        shift += 5
        if not group & 32:
            value -= (group & 16) << (shift - 4)
            runs.append(value + runs[-2] if len(runs) > 2 else value)
            value = shift = 0
    return runs


def _polygons(mask: Mask) -> list[list[int]]:
    rows, columns = _span(mask.any(axis=1)), _span(mask.any(axis=0))
    part = mask[rows, columns].astype(np.uint8)
    if part.size == 0:
        return []
    corner = columns.start, rows.start
    contours, _ = cv2.findContours(part, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE, offset=corner)
    return [contour.ravel().tolist() for contour in contours]
