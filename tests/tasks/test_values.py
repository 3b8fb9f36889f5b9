"""Detections and drawing."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from yolorknn import Classification, Detections, draw
from yolorknn.tasks import drawing, lettering
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


@pytest.mark.parametrize("again", [copy.deepcopy, copy.copy, lambda found: pickle.loads(pickle.dumps(found))])
def test_copies_are_frozen_too(again: Callable[[Any], Any]) -> None:
    found = again(Detections(XYXY, FOUND.confidence, FOUND.class_id, tracker_id=np.arange(3)))
    assert found == Detections(**found.arrays()) and found.tracker_id is not None
    assert not any(array.flags.writeable for array in found.arrays().values())
    classes = again(Classification(np.arange(2), np.array([0.7, 0.3])))
    assert not classes.class_id.flags.writeable and not classes.confidence.flags.writeable


def test_indexing() -> None:
    assert FOUND[FOUND.confidence > 0.5].class_id.tolist() == [2, 0]
    assert FOUND[1].xyxy.tolist() == [[5, 6, 50, 60]]
    assert len(FOUND[:2]) == len(FOUND[[0, 2]]) == 2
    assert [(class_id, round(confidence, 3)) for _, confidence, class_id in FOUND] == [(2, 0.9), (0, 0.8), (1, 0.3)]
    assert FOUND[[]] == Detections.empty() and len(Detections.empty()) == 0
    assert FOUND[:] == FOUND and FOUND[::-1] != FOUND and FOUND != "boxes"


@pytest.mark.parametrize(
    ("xyxy", "confidence", "class_id"),
    [
        (np.zeros((2, 4)), [1], [1, 1]),
        (np.zeros((2, 5)), [1, 1], [1, 1]),
        (np.zeros(4), [1], [1]),
        (np.float32(1), [1], [1]),
    ],
)
def test_shapes_must_fit(xyxy: np.ndarray, confidence: list, class_id: list) -> None:
    with pytest.raises(ValueError, match="Detections need"):
        Detections(xyxy, np.array(confidence), np.array(class_id))
    with pytest.raises(ValueError, match=r"Detections of 3 need tracker_id \(3, \), not \(2,\)"):
        Detections(FOUND.xyxy, FOUND.confidence, FOUND.class_id, tracker_id=[1, 2])  # type: ignore[arg-type]


def test_drawing_changes_a_copy_only() -> None:
    image = np.full((64, 80, 3), 255, np.uint8)
    image.flags.writeable = False
    drawn = draw(image, FOUND, NAMES)
    assert (image == 255).all() and drawn.shape == image.shape
    assert tuple(drawn[60, 20]) == colour(0), "the lower edge of the second box"
    assert np.array_equal(draw(image, Detections.empty(), NAMES), image)


def test_a_font_without_digits_is_none_for_a_label(monkeypatch: pytest.MonkeyPatch) -> None:
    """As one of symbols, which has the name and not the confidence beside it."""
    monkeypatch.setattr(lettering, "_pillow", lambda: True)
    monkeypatch.setattr(lettering, "_files", lambda: (Path("symbols.ttf"),))
    monkeypatch.setattr(lettering, "_has", lambda _, character: character == "\ue123")
    lettering._font_of.cache_clear()
    assert lettering.drawable("\ue123", otherwise="#0") == "#0" and lettering.missing(["\ue123"])
    lettering._font_of.cache_clear()


def test_names_in_other_letters(monkeypatch: pytest.MonkeyPatch) -> None:
    """With Pillow in their own, where a font has them; without it without accents, or by number."""
    lettering._font_of.cache_clear()
    image = np.full((200, 300, 3), 255, np.uint8)
    pictures = {
        name: draw(image, FOUND, {**NAMES, 0: name}) for name in ("persön", "person", "Жук", "#0", "\U0010fffd")
    }
    assert np.array_equal(pictures["\U0010fffd"], pictures["#0"]), "no font has it"
    mend = "install a font that has it, as fonts-noto-cjk" if find_spec("PIL") else "pip install pillow"
    assert lettering.missing(["a", "\U0010fffd"]) == f"the name '\U0010fffd' cannot be drawn in its own letters: {mend}"
    if lettering.missing(["Жук"]) is None:  # a machine with fonts and Pillow
        assert not np.array_equal(pictures["persön"], pictures["person"])
        assert not np.array_equal(pictures["Жук"], pictures["#0"])
    monkeypatch.setattr(lettering, "_pillow", lambda: False)
    lettering._font_of.cache_clear()
    for name, shown in (("persön", "person"), ("Жук", "#0")):
        assert np.array_equal(draw(image, FOUND, {**NAMES, 0: name}), draw(image, FOUND, {**NAMES, 0: shown}))
    assert lettering.missing(["Жук"]) == "the name 'Жук' cannot be drawn in its own letters: pip install pillow"
    assert lettering.missing(["a"]) is None
    lettering._font_of.cache_clear()


@pytest.mark.parametrize("size", [(96, 96), (96, 128), (480, 640), (2160, 3840)])
def test_labels_cover_neither_each_other_nor_the_picture(size: tuple[int, int]) -> None:
    """Forty boxes on one another: what labels there are is whole, and most of the picture is to be seen."""
    random = np.random.default_rng(0)
    corner = random.uniform(0.2, 0.5, (40, 2)) * size[::-1]
    boxes = np.concatenate([corner, corner + np.array(size[::-1]) * 0.3], axis=1)
    found = Detections(boxes.astype(np.float32), np.linspace(0.99, 0.3, 40), np.arange(40))
    names = [f"a rather long name {number}" for number in range(40)]
    line = drawing.line_width(np.zeros((*size, 3), np.uint8))
    grey = np.full((*size, 3), 128, np.uint8)
    drawn = draw(grey, found, names)
    boxed = np.zeros(size, np.uint8)
    for x1, y1, x2, y2 in found.xyxy.round().astype(int).tolist():
        cv2.rectangle(boxed, (x1, y1), (x2, y2), 255, line + 2)
    patches = (drawn != 128).any(axis=2) & (boxed == 0)
    assert patches.mean() <= drawing.COVERED
    assert (drawn != 128).any(axis=2).sum() > (boxed > 0).sum() * 0.3
    capitals = max(drawing.LEAST, round(sum(size) * 0.011))
    assert capitals >= drawing.LEAST and (size[0] < 2000 or capitals > 50), "readable at 4K"


def test_classes_in_a_row_differ_in_colour() -> None:
    """In CIELAB, where 2 can just be seen."""
    rows = np.array([[colour(number)] for number in range(80)], np.float32) / 255
    lab = cv2.cvtColor(rows, cv2.COLOR_BGR2LAB)[:, 0]
    for apart in range(1, 13):
        assert np.linalg.norm(lab[apart:] - lab[:-apart], axis=1).min() > (60 if apart == 1 else 19)


def test_drawing_on_tiny_images() -> None:
    for size in ((1, 1), (3, 400), (400, 3)):
        draw(np.zeros((*size, 3), np.uint8), FOUND, NAMES)


def test_supervision_takes_them() -> None:
    supervision = pytest.importorskip("supervision")
    assert isinstance(FOUND.to_supervision(), supervision.Detections)


def test_small_objects_of_a_large_frame_are_seen() -> None:
    """150 of 20 pixels at 4K: lines are thin, letters small, and labels lie over no box, their own included."""
    random = np.random.default_rng(0)
    corner = random.uniform(0, 1, (150, 2)) * (3820, 2140)
    boxes = np.concatenate([corner, corner + 20], axis=1).round().astype(np.float32)
    found = Detections(boxes, np.linspace(0.99, 0.3, 150), np.arange(150) % 5)
    drawn = draw(np.full((2160, 3840, 3), 128, np.uint8), found, ["ball", "box", "cone", "star", "ring"])
    changed = (drawn != 128).any(axis=2)
    shown = np.array([1 - changed[y : y + 20, x : x + 20].mean() for x, y in boxes[:, :2].astype(int)])
    assert shown.min() > 0.4 and np.median(shown) > 0.75, "objects are hidden"
    assert changed.sum() > 150 * 450, "most have a label"  # a box alone is 80, and OpenCV 5 writes narrower letters


def test_the_label_of_a_small_object_moves_where_another_is() -> None:
    boxes = np.array([[100, 100, 120, 120], [100, 82, 120, 98], [300, 0, 320, 20]], np.float32)
    drawn = draw(
        np.full((480, 640, 3), 128, np.uint8), Detections(boxes, np.array([0.9, 0.8, 0.7]), np.arange(3)), "abc"
    )
    changed = (drawn != 128).any(axis=2)
    assert not changed[84:97, 102:119].any() and changed[121:130, 100:120].all(), "below, as another is above it"
    assert not changed[2:19, 302:319].any() and changed[21:30, 300:320].all(), "below, as the frame ends above it"


def test_letters_keep_their_size_while_boxes_move_little() -> None:
    frame = np.zeros((1080, 1920, 3), np.uint8)
    sizes = [drawing._capitals(frame, np.array([[0, 0, side, side]], np.float32)) for side in np.arange(10, 400)]
    assert len(set(sizes)) < 9 and sizes == sorted(sizes) and sizes[0] == drawing.LEAST
    assert sizes[-1] == drawing._capitals(frame, None), "as ever on large objects"
