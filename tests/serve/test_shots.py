"""The picture that others are sent of a result."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from tests.fakes.results import BOX, NAMES, detections, result
from yolorknn.serve.shots import Look, make_shot
from yolorknn.stream.picture import picture_of
from yolorknn.stream.scene import Outline, Scene
from yolorknn.tasks.task import Wording


@pytest.mark.parametrize("annotated", [True, False])
def test_what_is_drawn_into_it_is_what_recordings_have(annotated: bool) -> None:
    """Zones and lines too: of where a line is nothing else on the page tells."""
    given = result(found=detections(BOX), grey=90, size=(400, 600))
    shapes = (Outline("gate", ((0.1, 0.2), (0.1, 0.8)), False),)
    shown = given.with_scene(given.detections, Scene(outlines=shapes, lines={"gate": {"in": {"person": 2}, "out": {}}}))
    shot = make_shot(Look("door", annotated), 1, shown, Wording(NAMES), longest=1280, quality=95)
    picture = cv2.imdecode(np.frombuffer(shot.picture, np.uint8), cv2.IMREAD_COLOR)
    wanted = picture_of(shown, NAMES) if annotated else given.frame
    assert np.abs(picture.astype(int) - wanted).mean() < 2
    assert (picture[120:280, 55:66].max() > 200) == annotated, "the line"
