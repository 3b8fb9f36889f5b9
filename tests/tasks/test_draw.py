"""draw() of what its caller made: what fits is drawn, and the rest refused in a sentence."""

from __future__ import annotations

import numpy as np
import pytest

from yolorknn import Classification, Detections, draw
from yolorknn.tasks.drawing import colour

XYXY = np.array([[1, 2, 30, 40], [5, 6, 50, 60], [-3, 0, 700, 5]], np.float32)
FOUND = Detections(XYXY, np.array([0.9, 0.8, 0.3]), np.array([2, 0, 1]))
NAMES = {0: "person", 1: "traffic light", 2: "dog"}


@pytest.mark.parametrize(
    ("fields", "names", "said"),
    [
        ({"mask": np.zeros((3, 32, 40), bool)}, NAMES, "mask.*40x32.*image.*80x64"),
        ({}, ["person"], "names.*class 2"),
        ({}, {0: "person", 2: "dog"}, "names.*class 1"),
        ({"class_id": np.array([-1, 0, 0])}, ["person"], "names.*class -1"),
        ({"xyxy": np.full((3, 4), np.nan)}, NAMES, "xyxy.*numbers"),
        ({"keypoints": np.full((3, 17, 3), np.inf)}, NAMES, "keypoints.*numbers"),
    ],
)
def test_what_does_not_fit_is_not_drawn(fields: dict, names: dict | list, said: str) -> None:
    found = Detections(**{**FOUND.arrays(), **fields})
    with pytest.raises(ValueError, match=said):
        draw(np.zeros((64, 80, 3), np.uint8), found, names)


def test_a_class_without_a_name_is_not_drawn() -> None:
    with pytest.raises(ValueError, match=r"names.*class 1"):
        draw(np.zeros((64, 80, 3), np.uint8), Classification(np.arange(2), np.array([0.9, 0.1], np.float32)), ["cat"])


def test_a_mask_is_drawn_where_its_box_begins_outside() -> None:
    mask = np.zeros((1, 100, 100), bool)
    mask[0, 10:30, 10:30] = True
    found = Detections(
        np.array([[-5, -5, 130, 30]], np.float32), np.ones(1, np.float32), np.zeros(1, np.int64), mask=mask
    )
    tint = tuple(value // 2 for value in colour(0))
    assert tuple(draw(np.zeros((100, 100, 3), np.uint8), found, ["a"])[25, 20]) == tint


@pytest.mark.parametrize("name", ["é\nß", "chaîne\r"])
def test_a_name_of_two_lines_is_drawn_in_one(name: str) -> None:
    found = Detections(np.array([[10, 30, 90, 90]], np.float32), np.array([0.5], np.float32), np.array([0]))
    picture = draw(np.zeros((100, 200, 3), np.uint8), found, [name])
    assert np.array_equal(picture, draw(np.zeros((100, 200, 3), np.uint8), found, [" ".join(name.split())]))
