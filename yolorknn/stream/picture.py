"""A frame as people look at it: what was found, and the zones and lines that it is counted by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np

from yolorknn.image import Image
from yolorknn.stream.result import Result
from yolorknn.stream.scene import Outline, Scene
from yolorknn.tasks.drawing import Label, draw_labels, line_width
from yolorknn.tasks.known import showing
from yolorknn.tasks.lettering import drawable

PAINT = (255, 255, 255)
"""Of zones and lines, BGR; no class has it."""
UNDER = (40, 40, 40)
"""Beside it, so that it is seen on white."""


def picture_of(result: Result[Any], names: Mapping[int, str] | Sequence[str]) -> Image:
    """Return a copy of the frame with zones and lines, their counts, and over them what was found.

    Args:
        result: not written to.
        names: class names by class id.
    """
    canvas = result.frame.copy()
    if result.scene.outlines:
        _draw_outlines(canvas, result.scene)
    showing(result.detections).draw(canvas, result.detections, names)
    return canvas


def _draw_outlines(canvas: Image, scene: Scene) -> None:
    height, width = canvas.shape[:2]
    line = line_width(canvas)
    labels = []
    for outline in scene.outlines:
        points = np.rint(np.array(outline.points) * (width - 1, height - 1)).astype(np.int32)
        cv2.polylines(canvas, [points], outline.closed, UNDER, line + 2)
        cv2.polylines(canvas, [points], outline.closed, PAINT, line, cv2.LINE_AA)
        x, y = points[points[:, 1].argmin()].tolist()
        name = drawable(outline.name, otherwise="")  # people call zones what they like
        labels.append(Label((x, y), f"{name} {_counted(outline, scene)}".strip(), None, PAINT))
    draw_labels(canvas, labels)


def _counted(outline: Outline, scene: Scene) -> str:
    if ways := scene.lines.get(outline.name):
        return " ".join(f"{way} {sum(counts.values())}" for way, counts in ways.items())
    return str(sum(scene.zones.get(outline.name, {}).values()))
