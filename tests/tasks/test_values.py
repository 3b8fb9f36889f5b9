"""Detections and drawing."""

from __future__ import annotations

import numpy as np
import pytest

from yolorknn import Detections, draw
from yolorknn.tasks.drawing import colour

XYXY = np.array([[1, 2, 30, 40], [5, 6, 50, 60], [-3, 0, 700, 5]], np.float32)
FOUND = Detections(XYXY, np.array([0.9, 0.8, 0.3]), np.array([2, 0, 1]))
NAMES = {0: "person", 1: "traffic light", 2: "日本"}


def test_fields_are_typed_and_frozen() -> None:
    assert FOUND.xyxy.dtype == FOUND.confidence.dtype == np.float32 and FOUND.class_id.dtype == np.int64
    with pytest.raises(ValueError, match="read-only"):
        FOUND.xyxy[0, 0] = 7
    with pytest.raises(AttributeError):
        FOUND.xyxy = XYXY  # type: ignore[misc]
    XYXY[0, 0] = 1  # the caller's own array stays writable


def test_indexing() -> None:
    assert FOUND[FOUND.confidence > 0.5].class_id.tolist() == [2, 0]
    assert FOUND[1].xyxy.tolist() == [[5, 6, 50, 60]]
    assert len(FOUND[:2]) == len(FOUND[[0, 2]]) == 2
    assert [(class_id, round(confidence, 3)) for _, confidence, class_id in FOUND] == [(2, 0.9), (0, 0.8), (1, 0.3)]
    assert FOUND[[]] == Detections.empty() and len(Detections.empty()) == 0
    assert FOUND[:] == FOUND and FOUND[::-1] != FOUND and FOUND != "boxes"


@pytest.mark.parametrize(
    ("xyxy", "confidence", "class_id"),
    [(np.zeros((2, 4)), [1], [1, 1]), (np.zeros((2, 5)), [1, 1], [1, 1]), (np.zeros(4), [1], [1])],
)
def test_shapes_must_fit(xyxy: np.ndarray, confidence: list, class_id: list) -> None:
    with pytest.raises(ValueError, match="Detections need"):
        Detections(xyxy, np.array(confidence), np.array(class_id))


def test_drawing_changes_a_copy_only() -> None:
    image = np.full((64, 80, 3), 255, np.uint8)
    image.flags.writeable = False
    drawn = draw(image, FOUND, NAMES)
    assert (image == 255).all() and drawn.shape == image.shape
    assert tuple(drawn[59, 20]) == colour(0), "the lower edge of the second box"
    assert np.array_equal(draw(image, Detections.empty(), NAMES), image)
    accents = draw(image, FOUND, {**NAMES, 0: "persön"}), draw(image, FOUND, {**NAMES, 0: "person"})
    assert np.array_equal(*accents), "letters that OpenCV's fonts lack are drawn without accents"


def test_drawing_on_tiny_images() -> None:
    for size in ((1, 1), (3, 400), (400, 3)):
        draw(np.zeros((*size, 3), np.uint8), FOUND, NAMES)


def test_supervision_takes_them() -> None:
    supervision = pytest.importorskip("supervision")
    assert isinstance(FOUND.to_supervision(), supervision.Detections)
