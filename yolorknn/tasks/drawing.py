"""What tasks draw: boxes and labels, in the colours of the classes."""

from __future__ import annotations

import colorsys
import unicodedata
from collections.abc import Mapping, Sequence

import cv2
import numpy as np

from yolorknn.image import Image
from yolorknn.tasks.detections import Detections

GOLDEN_RATIO = 0.618034
"""Steps of this size around the colour wheel keep neighbouring class ids far apart."""


def colour(class_id: int) -> tuple[int, int, int]:
    """Return the BGR colour of a class."""
    red, green, blue = colorsys.hsv_to_rgb(class_id * GOLDEN_RATIO % 1, 0.85, 0.95)
    return round(blue * 255), round(green * 255), round(red * 255)


def draw_boxes(canvas: Image, detections: Detections, names: Mapping[int, str] | Sequence[str]) -> None:
    """Draw boxes with names and confidences into a BGR uint8 (H, W, 3) image, the most confident on top."""
    for xyxy, confidence, class_id in reversed(list(detections)):
        x1, y1, x2, y2 = (round(float(side)) for side in xyxy)
        paint = colour(class_id)
        cv2.rectangle(canvas, (x1, y1), (x2, y2), paint, line_width(canvas), cv2.LINE_AA)
        draw_label(canvas, (x1, y1), label(names[class_id], class_id, confidence), paint)


def line_width(canvas: Image) -> int:
    """Return how thick lines are, in pixels: as ultralytics draws."""
    height, width = canvas.shape[:2]
    return max(2, round((height + width) * 0.0015))


def label(name: str, class_id: int, confidence: float) -> str:
    """Return what a result is called, in the letters that OpenCV's fonts have: without accents."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().strip()
    return f"{plain or f'#{class_id}'} {confidence:.2f}"


def draw_label(
    canvas: Image, at: tuple[int, int], text: str, paint: tuple[int, int, int], *, below: bool = False
) -> int:
    """Draw text on a patch of colour above a point, or `below` it, where there is room; return where the patch ends."""
    height, width = canvas.shape[:2]
    line = line_width(canvas)
    size, weight = line / 3, max(1, line - 1)
    (text_width, text_height), base = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, size, weight)
    tall = text_height + base + line
    left = max(0, min(at[0], width - text_width))
    top = at[1] - tall if at[1] >= tall and not below else min(at[1], height - tall)
    cv2.rectangle(canvas, (left, top), (left + text_width, top + tall), paint, cv2.FILLED)
    bright = float(np.dot(paint, (0.114, 0.587, 0.299)))  # luma, ITU-R BT.601
    ink = (0, 0, 0) if bright > 140 else (255, 255, 255)
    baseline = (left, top + text_height + line)
    cv2.putText(canvas, text, baseline, cv2.FONT_HERSHEY_SIMPLEX, size, ink, weight, cv2.LINE_AA)
    return top + tall


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
