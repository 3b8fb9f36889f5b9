"""What tasks draw: boxes and labels, in the colours of the classes."""

from __future__ import annotations

import colorsys
import functools
from collections.abc import Mapping, Sequence
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
    line = line_width(canvas)
    labels = []
    for number, (xyxy, confidence, class_id) in reversed(list(enumerate(detections))):
        x1, y1, x2, y2 = (round(float(side)) for side in xyxy)
        cv2.rectangle(canvas, (x1, y1), (x2, y2), colour(class_id), line)
        text = label(names[class_id], class_id) + numbered(detections, number)
        labels.append(Label((x1, y1), text, confidence, colour(class_id)))
    draw_labels(canvas, labels[::-1])


def numbered(detections: Detections, number: int) -> str:
    """Return what is written behind an object's name: its tracker_id, where it has one."""
    known = -1 if detections.tracker_id is None else int(detections.tracker_id[number])
    return f" #{known}" if known >= 0 else ""


def line_width(canvas: Image) -> int:
    """Return how thick lines are, in pixels: as ultralytics draws, but thinner in a small picture."""
    height, width = canvas.shape[:2]
    return max(2 if min(height, width) > 200 else 1, round((height + width) * 0.0015))


def label(name: str, class_id: int) -> str:
    """Return what a class is called, in letters that can be drawn here."""
    return drawable(name, otherwise=f"#{class_id}") or f"#{class_id}"


def draw_labels(canvas: Image, labels: Sequence[Label], *, stacked: bool = False) -> None:
    """Write labels on patches of their colours, none over another, and not over too much of the picture.

    Args:
        canvas: BGR uint8 (H, W, 3); written to.
        labels: the most important first. One goes above its point, or where there is room near it; with no room, or
            where labels cover COVERED of the picture, it is left out.
        stacked: whether they are lines of text from the first one's point on.
    """
    height, width = canvas.shape[:2]
    capitals = max(LEAST, round((height + width) * 0.011))
    taken: list[tuple[int, int, int, int]] = []
    room = COVERED * height * width
    below = labels[0].at[1] if stacked and labels else 0
    for entry in labels:
        said = "" if entry.confidence is None else f" {entry.confidence:.2f}"
        patch = _patch(entry.name, said, entry.paint, capitals, width)
        if patch.shape[0] > height or patch.shape[0] * patch.shape[1] > room:
            continue
        wanted = (entry.at[0], below) if stacked else entry.at
        places = [wanted] if stacked else _places(wanted, patch.shape[0], patch.shape[1])
        for x, y in places:
            left, top = max(0, min(x, width - patch.shape[1])), max(0, min(y, height - patch.shape[0]))
            right, bottom = left + patch.shape[1], top + patch.shape[0]
            if not any(left < x2 and x1 < right and top < y2 and y1 < bottom for x1, y1, x2, y2 in taken):
                canvas[top:bottom, left:right] = patch
                taken.append((left, top, right, bottom))
                room -= patch.shape[0] * patch.shape[1]
                below = bottom
                break


def _places(at: tuple[int, int], tall: int, wide: int) -> list[tuple[int, int]]:
    """Return where a label's left upper corner may go, the best first: above its point, in the box, and around."""
    x, y = at
    rows = [y - tall, y, y - 2 * tall, y + tall, y + 2 * tall, y - 3 * tall]
    return [(column, row) for column in (x, x - wide, x + wide) for row in rows]


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
        x1, y1 = np.floor(detections.xyxy[number, :2]).astype(int)
        x2, y2 = np.ceil(detections.xyxy[number, 2:]).astype(int)
        inside = detections.mask[number, y1:y2, x1:x2]
        region = canvas[y1:y2, x1:x2]
        tint = np.array(colour(int(detections.class_id[number])), np.uint8)
        region[inside] = region[inside] // 2 + tint // 2
