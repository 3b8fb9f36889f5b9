"""What tasks draw: boxes and labels, in the colours of the classes."""

from __future__ import annotations

import colorsys
import functools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from yolorknn.image import Image
from yolorknn.tasks.detections import Detections
from yolorknn.tasks.lettering import drawable, letters

GOLDEN_RATIO = 0.618034
"""Steps of this size around the colour wheel keep neighbouring class ids far apart."""
SHADES = ((0.5, 1.0), (0.9, 0.6), (0.6, 0.8))
"""Saturation and value in turn: of any twelve classes in a row no two are nearer than 20 in CIELAB."""
COVERED = 0.2
"""The share of a picture that labels may cover; the less confident ones are left out."""
LEAST = 7
"""Height of capitals in pixels that can still be read."""
LINE, CAPITALS = 0.06, 0.25
"""The share of the boxes' median side that a line is at most thick, and capitals are at most high."""
STEP = 0.8
"""Letters shrink in such steps, so that they keep their size, and the cache its labels, from frame to frame."""
HIDDEN = 0.25
"""The share of a box that a label may cover."""


@functools.lru_cache(1024)
def colour(class_id: int) -> tuple[int, int, int]:
    """Return the BGR colour of a class."""
    red, green, blue = colorsys.hsv_to_rgb(class_id * GOLDEN_RATIO % 1, *SHADES[class_id % len(SHADES)])
    return round(blue * 255), round(green * 255), round(red * 255)


class Label(NamedTuple):
    """What is to be written at a point."""

    at: tuple[int, int]
    name: str
    confidence: float | None
    """None is not written."""
    paint: tuple[int, int, int]


def draw_boxes(canvas: Image, detections: Detections, names: Mapping[int, str] | Sequence[str]) -> None:
    """Draw boxes with names and confidences into a BGR uint8 (H, W, 3) image, the most confident on top."""
    line = line_width(canvas, detections.xyxy)
    labels = []
    for number, (xyxy, confidence, class_id) in reversed(list(enumerate(detections))):
        x1, y1, x2, y2 = (round(float(side)) for side in xyxy)
        cv2.rectangle(canvas, (x1, y1), (x2, y2), colour(class_id), line)
        text = label(names[class_id], class_id) + numbered(detections, number)
        labels.append(Label((x1, y1), text, confidence, colour(class_id)))
    draw_labels(canvas, labels[::-1], detections.xyxy)


def numbered(detections: Detections, number: int) -> str:
    """Return what is written behind an object's name: its tracker_id, where it has one."""
    known = -1 if detections.tracker_id is None else int(detections.tracker_id[number])
    return f" #{known}" if known >= 0 else ""


def line_width(canvas: Image, boxes: NDArray[np.float32] | None = None) -> int:
    """Return how thick lines are, in pixels: as ultralytics draws, but thinner in a small picture or on small boxes."""
    height, width = canvas.shape[:2]
    usual = max(2 if min(height, width) > 200 else 1, round((height + width) * 0.0015))
    return max(1, min(usual, round(_side(boxes, otherwise=height + width) * LINE)))


def _capitals(canvas: Image, boxes: NDArray[np.float32] | None) -> int:
    """Return how high capitals are, in pixels."""
    height, width = canvas.shape[:2]
    usual = max(LEAST, round((height + width) * 0.011))
    most = max(LEAST, _side(boxes, otherwise=height + width) * CAPITALS)
    steps = max(0, math.ceil(math.log(most / usual, STEP)))
    return max(LEAST, round(usual * STEP**steps))


def _side(boxes: NDArray[np.float32] | None, *, otherwise: float) -> float:
    """Return the side of the square that is as large as the median box."""
    if boxes is None or not len(boxes):
        return otherwise
    areas = sorted(_area(*box) for box in boxes.tolist())
    return math.sqrt(areas[len(areas) // 2])


def _area(x1: float, y1: float, x2: float, y2: float) -> float:
    return max(0.0, x2 - x1) * max(0.0, y2 - y1)


def label(name: str, class_id: int) -> str:
    """Return what a class is called, in letters that can be drawn here."""
    return drawable(name, otherwise=f"#{class_id}") or f"#{class_id}"


def draw_labels(
    canvas: Image, labels: Sequence[Label], boxes: NDArray[np.float32] | None = None, *, stacked: bool = False
) -> None:
    """Write labels on patches of their colours, none over another or a small box, nor over too much of the picture.

    Args:
        canvas: BGR uint8 (H, W, 3); written to.
        labels: the most important first. One goes above its point, or where there is room near it; with no room, or
            where labels cover COVERED of the picture, it is left out.
        boxes: the upright boxes that the labels belong to, (N, 4), in the same order.
        stacked: whether they are lines of text from the first one's point on.
    """
    height, width = canvas.shape[:2]
    capitals = _capitals(canvas, boxes)
    patches = [_patch(name, _said(share), paint, capitals, width) for _, name, share, paint in labels]
    small = _hideable(boxes, max((patch.shape[0] * patch.shape[1] for patch in patches), default=0))
    taken: list[tuple[int, int, int, int]] = []
    room = COVERED * height * width
    below = labels[0].at[1] if stacked and labels else 0
    for number, (entry, patch) in enumerate(zip(labels, patches, strict=True)):
        tall, wide = patch.shape[:2]
        if tall > height or tall * wide > room:
            continue
        places: Iterable[tuple[int, int]] = [(entry.at[0], below)] if stacked else _places(entry.at, tall, wide)
        if number in small:
            places = _around(entry.at, small[number][:4], tall, wide)
        for x, y in places:
            left, top = max(0, min(x, width - wide)), max(0, min(y, height - tall))
            right, bottom = left + wide, top + tall
            if any(left < x2 and x1 < right and top < y2 and y1 < bottom for x1, y1, x2, y2 in taken):
                continue
            if small and _hides((left, top, right, bottom), small.values()):
                continue
            canvas[top:bottom, left:right] = patch
            taken.append((left, top, right, bottom))
            room -= tall * wide
            below = bottom
            break


def _said(confidence: float | None) -> str:
    return "" if confidence is None else f" {confidence:.2f}"


def _hideable(boxes: NDArray[np.float32] | None, largest: int) -> dict[int, tuple[float, ...]]:
    """Return by number the boxes that a label of so many pixels can hide: corners, and how much of it may be covered.

    In most pictures there are none.
    """
    if boxes is None:
        return {}
    every = enumerate(boxes.tolist())
    return {number: (*box, allowed) for number, box in every if (allowed := _area(*box) * HIDDEN) < largest}


def _hides(patch: tuple[int, int, int, int], boxes: Iterable[tuple[float, ...]]) -> bool:
    left, top, right, bottom = patch
    for x1, y1, x2, y2, allowed in boxes:
        if left < x2 and x1 < right and top < y2 and y1 < bottom:
            wide, tall = min(right, x2) - max(left, x1), min(bottom, y2) - max(top, y1)
            if wide * tall > allowed:
                return True
    return False


def _places(at: tuple[int, int], tall: int, wide: int) -> list[tuple[int, int]]:
    """Return where a label's left upper corner may go, the best first: above its point, in the box, and around."""
    x, y = at
    rows = [y - tall, y, y - 2 * tall, y + tall, y + 2 * tall, y - 3 * tall]
    return [(column, row) for column in (x, x - wide, x + wide) for row in rows]


def _around(at: tuple[int, int], box: Sequence[float], tall: int, wide: int) -> Iterator[tuple[int, int]]:
    """Yield where the label of a small box may go, the best first: beside it, as farther off it would be another's."""
    yield at[0], at[1] - tall
    x1, y1, x2, y2 = (round(side) for side in box)
    yield from ((x1, y2 + 1), (x2 - wide, y1 - tall), (x2 - wide, y2 + 1))
    yield from ((x2 + 1, y1), (x1 - wide - 1, y1), (x2 + 1, y2 - tall), (x1 - wide - 1, y2 - tall))


@functools.lru_cache(256)
def _patch(name: str, said: str, paint: tuple[int, int, int], capitals: int, width: int) -> Image:
    """Return a label as a picture: with its confidence and whole name, if it is not too wide for that.

    A frame's labels are often those of the frame before. The picture is not to be written to.
    """
    texts = [f"{name}{said}", name]
    texts += [f"{name[:count]}." for count in range(len(name) - 1, 1, -1)] + [name[:1]]
    limit = width * 0.6
    fitting = (mask for text in texts if (mask := letters(text, capitals)).shape[1] <= limit)
    ink = next(fitting, None)
    if ink is None:
        ink = letters(texts[-1], LEAST)
    edge = max(1, capitals // 6)
    padded = np.zeros((ink.shape[0] + 2 * edge, ink.shape[1] + 2 * edge), np.uint8)
    padded[edge:-edge, edge:-edge] = ink
    patch = _shades(paint).take(padded[:, :width], axis=0)
    patch.flags.writeable = False
    return patch


@functools.lru_cache(1024)
def _shades(paint: tuple[int, int, int]) -> NDArray[np.uint8]:
    """Return a patch's colours by how much of a pixel is ink, (256, 3) BGR: from the paint to that of its letters."""
    share = (np.arange(256, dtype=np.float32) / 255)[:, None]
    bright = float(np.dot(paint, (0.114, 0.587, 0.299)))  # luma, ITU-R BT.601
    letter = 0.0 if bright > 140 else 255.0
    shades: NDArray[np.uint8] = (np.array(paint, np.float32) * (1 - share) + letter * share).round().astype(np.uint8)
    return shades


def draw_masks(canvas: Image, detections: Detections) -> None:
    """Tint the pixels of each mask in its class's colour, half transparent, the most confident last."""
    assert detections.mask is not None
    for number in reversed(range(len(detections))):
        x1, y1 = np.floor(detections.xyxy[number, :2]).clip(0).astype(int)
        x2, y2 = np.ceil(detections.xyxy[number, 2:]).clip(0).astype(int)
        inside = detections.mask[number, y1:y2, x1:x2]
        region = canvas[y1:y2, x1:x2]
        tint = np.array(colour(int(detections.class_id[number])), np.uint8)
        region[inside] = region[inside] // 2 + tint // 2
