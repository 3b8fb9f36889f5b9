"""docs/detections.schema.json: every kind of line is as it says, and it describes every key."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tests.conftest import ROOT
from tests.fakes.schema import faults
from yolorknn import Classification, Detections, Result, Timings
from yolorknn.stream.result import record
from yolorknn.stream.scene import LineEvent, Scene, TrackEvent, ZoneEvent
from yolorknn.tasks.task import Wording

SCHEMA = json.loads((ROOT / "docs/detections.schema.json").read_text())
TWO = {
    "xyxy": np.array([[1, 2, 30, 40], [5, 6, 50, 60]], np.float32),
    "confidence": np.array([0.9, 0.8]),
    "class_id": np.array([0, 1]),
}
FOUND = {
    "boxes": Detections(**TWO),
    "nothing": Detections.empty(),
    "masks": Detections(**TWO, mask=np.tril(np.ones((2, 60, 80), np.bool_))),
    "keypoints": Detections(**TWO, keypoints=np.full((2, 2, 3), 0.5, np.float32)),
    "corners": Detections(**TWO, xyxyxyxy=np.ones((2, 4, 2), np.float32)),
    "tracks": Detections(**TWO, tracker_id=np.array([7, -1])),
    "classes": Classification(np.array([1, 0]), np.array([0.7, 0.3])),
}


@pytest.mark.parametrize("masks", ["rle", "polygons"])
@pytest.mark.parametrize("kind", FOUND)
def test_lines_are_as_the_schema_says(kind: str, masks: str) -> None:
    image = np.zeros((60, 80, 3), np.uint8)
    for source, clock in (("in/clip.mp4", "video"), ("camera0", "unix")):
        result = Result(image, 3, 1.5, FOUND[kind], Timings(0, 0, 0, 0, 0, 0), source, clock)  # type: ignore[arg-type]
        wording = Wording({0: "person", 1: "日本"}, ("nose", "eye"), masks)  # type: ignore[arg-type]
        line = json.loads(json.dumps(record(result, wording)))
        assert faults(line, SCHEMA, SCHEMA) == []
        assert line["version"] == SCHEMA["properties"]["version"]["const"]


def test_lines_with_zones_are_as_the_schema_says() -> None:
    scene = Scene(
        (TrackEvent("new", 7, 0, 1.5, 0), ZoneEvent("left", "door", 7, 0, 1.25, 2), LineEvent("in", "gate", 7, 1, 1)),
        (("door",), ()), {"door": {"person": 1}}, {"door": {"person": 3}}, {"gate": {"in": {"日本": 1}, "out": {}}},
    )  # fmt: skip
    image = np.zeros((60, 80, 3), np.uint8)
    found = FOUND["tracks"]
    result = Result(image, 3, 1.5, found, Timings(0, 0, 0, 0, 0, 0), "a", scene=scene)
    line = json.loads(json.dumps(record(result, Wording({0: "person", 1: "日本"}))))
    assert faults(line, SCHEMA, SCHEMA) == []
    assert [entry["zones"] for entry in line["detections"]] == [["door"], []]
    assert line["events"] == [
        {"type": "new", "tracker_id": 7, "class_id": 0, "name": "person", "timestamp": 1.5, "seconds": 0.0},
        {"type": "left", "zone": "door", "tracker_id": 7, "class_id": 0, "name": "person", "timestamp": 1.25,
         "seconds": 2.0},
        {"type": "crossed", "line": "gate", "direction": "in", "tracker_id": 7, "class_id": 1, "name": "日本",
         "timestamp": 1},
    ]  # fmt: skip
    for key, value in (("zones", {"door": 1}), ("lines", {"gate": {"in": {}}}), ("events", [{"type": "seen"}])):
        assert faults({**line, key: value}, SCHEMA, SCHEMA), key


def test_what_is_wrong_is_found() -> None:
    image = np.zeros((60, 80, 3), np.uint8)
    result = Result(image, 3, 1.5, FOUND["boxes"], Timings(0, 0, 0, 0, 0, 0), "a.jpg")
    line = record(result, Wording({0: "a", 1: "b"}))
    for key, value in (("clock", "local"), ("frame", -1), ("width", "80"), ("new", 1), ("detections", [{}])):
        assert faults({**line, key: value}, SCHEMA, SCHEMA), key
    for key in line:
        assert faults({name: value for name, value in line.items() if name != key}, SCHEMA, SCHEMA), key


def test_the_page_shows_such_a_line() -> None:
    page = (ROOT / "docs/detection.md").read_text()
    shown = json.loads(page.partition("```json\n")[2].partition("```")[0])
    assert faults(shown, SCHEMA, SCHEMA) == []
    assert "detections.schema.json" in page
