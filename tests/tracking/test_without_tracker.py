"""Zones without a tracker: how many are in them now; and what is said where there can be none."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fakes.moving import video_frame
from tests.fakes.results import NAMES, detections, result
from yolorknn import Classification
from yolorknn.errors import MissingDependencyError
from yolorknn.tracking import tracker
from yolorknn.tracking.tracking import Tracking
from yolorknn.tracking.zones import Line, Zone

LEFT = Zone("left", ((0, 0), (0.5, 0), (0.5, 1), (0, 1)))
LOW = Zone("low", ((0, 0.5), (1, 0.5), (1, 1), (0, 1)), classes=("person",))
FOUND = detections(((0, 0, 100, 100), 0.9, 0), ((0, 200, 100, 300), 0.8, 0), ((400, 200, 500, 300), 0.7, 1))


def test_objects_are_counted_where_their_feet_are() -> None:
    step = Tracking(NAMES, zones=[LEFT, LOW], track=False)
    step.begin(1)
    result = step.apply(video_frame(0, 0.0, FOUND))
    assert result.scene.places == (("left",), ("left", "low"), ())
    assert result.scene.zones == {"left": {"person": 2}, "low": {"person": 1}}
    assert result.events == () and result.detections == FOUND and result.scene.lines == {}


def test_zones_fit_a_picture_of_another_size() -> None:
    """As a camera gives that comes back turned or set anew: the parts of the picture stay."""
    step = Tracking(NAMES, zones=[LEFT], track=False)
    for epoch, (height, width) in enumerate(((360, 640), (1280, 720), (90, 160)), 1):
        step.begin(epoch)
        boxes = ((0.05 * width, 0, 0.4 * width, height), 0.9, 0), ((0.6 * width, 0, 0.9 * width, height), 0.8, 0)
        given = result(found=detections(*boxes), size=(height, width))
        assert step.apply(given).scene.places == (("left",), ())


def test_zones_change_while_it_runs() -> None:
    step = Tracking(NAMES, zones=[LEFT], track=False)
    step.begin(1)
    step.apply(video_frame(0, 0.0, FOUND))
    step.place([LOW])
    assert step.zones == (LOW,)
    assert step.apply(video_frame(1, 0.1, FOUND)).scene.zones == {"low": {"person": 1}}
    with pytest.raises(ValueError, match="zone 'x' counts 'cat', and the model has no such class"):
        step.place([Zone("x", LEFT.polygon, classes=("cat",))])
    assert step.apply(video_frame(2, 0.2, FOUND)).scene.zones == {"low": {"person": 1}}, "as before"


def test_a_line_needs_a_tracker() -> None:
    with pytest.raises(ValueError, match="line 'gate' needs a tracker"):
        Tracking(NAMES, lines=[Line("gate", (0, 0), (1, 1))], track=False)


def test_a_classifier_has_no_places() -> None:
    step = Tracking(NAMES, zones=[LEFT], track=False)
    step.begin(1)
    found: Any = Classification([0], [1.0])  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="this is a classifier"):
        step.apply(video_frame(0, 0.0, found))


def test_without_the_package_one_sentence_says_how_to_have_both(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "trackers", None)
    monkeypatch.setattr(vars(tracker)["np"], "__version__", "1.26.4")
    with pytest.raises(MissingDependencyError) as refused:
        Tracking(NAMES)
    assert str(refused.value) == (
        "tracking needs trackers 2.6, which is not installed: trackers needs numpy 2, and here is 1.26.4, as "
        "rknn-toolkit2 wants it; make an environment without the toolkit, pip install '.[track]' there, and to build "
        "there too 'yolorknn toolkit install'"
    )
    monkeypatch.setattr(vars(tracker)["np"], "__version__", "2.4.0")
    with pytest.raises(MissingDependencyError, match=r"pip install '.\[track\]'$"):
        Tracking(NAMES)
