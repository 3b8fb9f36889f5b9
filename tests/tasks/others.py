"""What tests of other programs' heads share: a model run as it is, NMS by its definition, and the comparison."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.fakes.other_networks import IMGSZ
from yolorknn import Detections
from yolorknn.image import read_image

Box = tuple[int, float, list[float]]
"""Class, score, and corners in pixels of the input."""


def run(model: Path, pixels: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    """Return what onnxruntime computes of an image, (3, h, w)."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    found: list[NDArray[np.float32]] = session.run(None, {"images": pixels[None]})
    return found


def kept_by_brute_force(boxes: list[Box], *, iou: float) -> list[Box]:
    """Return what greedy suppression within each class leaves, the most confident first."""

    def overlap(one: list[float], other: list[float]) -> float:
        sides = [max(0.0, min(one[at + 2], other[at + 2]) - max(one[at], other[at])) for at in (0, 1)]
        common = sides[0] * sides[1]
        areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
        return common / (sum(areas) - common)

    kept: list[Box] = []
    for box in sorted(boxes, key=lambda box: -box[1]):
        if all(box[0] != other[0] or overlap(box[2], other[2]) <= iou for other in kept):
            kept.append(box)
    return kept


def assert_same(found: Detections, expected: list[Box], image: Path) -> None:
    """Compare with boxes in the input, laid back into the image as the definition of the letterbox says."""
    height, width = read_image(image).shape[:2]
    scale = min(IMGSZ[0] / height, IMGSZ[1] / width)
    resized = round(height * scale), round(width * scale)
    left, top = round((IMGSZ[1] - resized[1]) / 2 - 0.1), round((IMGSZ[0] - resized[0]) / 2 - 0.1)
    corners = np.array([box for _, _, box in expected]).reshape(-1, 2, 2)
    corners = (corners - (left, top)) * (width / resized[1], height / resized[0])
    corners = np.clip(corners, 0, (width, height)).reshape(-1, 4)
    assert found.class_id.tolist() == [class_id for class_id, _, _ in expected]
    assert found.confidence == pytest.approx(np.array([score for _, score, _ in expected]), abs=1e-5)
    assert found.xyxy == pytest.approx(corners, abs=0.02)
