"""Pictures of results: what draw() draws, and zones and lines where they are."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from tests.fakes.results import BOX, NAMES, detections, result
from yolorknn import draw
from yolorknn.stream.picture import PAINT, picture_of
from yolorknn.stream.scene import Outline, Scene
from yolorknn.tasks import lettering

SHAPES = (
    Outline("door", ((0.5, 0.5), (0.9, 0.5), (0.9, 0.9), (0.5, 0.9)), True),
    Outline("gate", ((0.1, 0.2), (0.1, 0.8)), False),
)


def test_without_zones_it_is_what_draw_draws() -> None:
    given = result(found=detections(BOX), grey=90)
    assert np.array_equal(picture_of(given, NAMES), draw(given.frame, given.detections, NAMES))


def test_zones_and_lines_are_where_they_are() -> None:
    given = result(found=detections(), grey=90, size=(400, 600))
    shown = given.with_scene(given.detections, Scene(outlines=SHAPES))
    picture = picture_of(shown, NAMES)
    assert (given.frame == 90).all()
    wanted = np.zeros((400, 600), np.uint8)
    cv2.polylines(wanted, [np.array([[300, 200], [539, 200], [539, 359], [300, 359]])], True, (255,))
    cv2.polylines(wanted, [np.array([[60, 80], [60, 319]])], False, (255,))
    assert (picture[wanted > 0] == PAINT).all(axis=1).mean() > 0.9
    beyond = cv2.dilate(wanted, np.ones((61, 241), np.uint8)) == 0
    assert (picture[beyond] == 90).all(), "labels are beside them"


@pytest.mark.parametrize("name", ["Tür", "門", "\ufffd"])
@pytest.mark.parametrize("pillow", [True, False])
def test_a_zone_of_any_name_can_be_drawn_with_whatever_fonts_there_are(
    name: str, pillow: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lettering, "_pillow", lambda: pillow)
    monkeypatch.setattr(lettering, "_files", tuple)
    lettering._font_of.cache_clear()
    shapes = [Outline(name, shape.points, shape.closed) for shape in SHAPES]
    given = result(found=detections(), grey=90, size=(400, 600))
    for shape in shapes:
        picture = picture_of(given.with_scene(given.detections, Scene(outlines=(shape,))), NAMES)
        assert (picture == PAINT).all(axis=2).any()
    lettering._font_of.cache_clear()
