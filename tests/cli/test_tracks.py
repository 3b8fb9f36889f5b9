"""--track, --zone and --line: what is mistyped is said at once, and zones need no tracker."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import pytest

from tests.fakes.backends import NUMBERS, number_detector
from tests.fakes.commands import misused, refused, replace_function, run
from tests.fakes.numbered import numbered_frame


@pytest.fixture
def images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A picture of each number, in which a detector of numbers finds one object in the left upper part."""
    replace_function(monkeypatch, "yolorknn.predict.loaded_model.LoadedModel", number_detector(tmp_path, cores=2))
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(3):
        cv2.imwrite(str(folder / f"{number}.png"), numbered_frame(number, NUMBERS.imgsz))
    return folder


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--zone", "door"), "'door' is not a name and points as door=0.1,0.5,0.4,0.5,0.4,1"),
        (("--zone", "door=0,0,1"), "'door=0,0,1' is not a name and points"),
        (("--zone", "=0,0,1,1,0,1"), "is not a name and points"),
        (("--zone", "door=0,0,1,x"), "is not a name and points"),
        (("--zone", "door=0,0,1,1"), "zone 'door' has 2 corners, and needs 3 or more"),
        (("--zone", "door=0,0,640,0,640,480"), "zone 'door' is in shares of the picture, 0 to 1, not 640,0"),
        (("--zone", "a=0,0,1,0,1,1", "--zone", "a=0,0,1,0,1,1"), "two zones or lines are called 'a'"),
        (("--line", "gate=0,0,1,1"), "needs --track"),
        (("--track", "--line", "gate=0,0,1,1,1,0"), "'gate' has 3 points: a line has 2"),
        (("--track", "--line", "gate=0,0,0,0"), "line 'gate' has no length"),
    ],
)
def test_what_is_mistyped(words: tuple[str, ...], said: str) -> None:
    assert said in misused("detect", "a.jpg", "--model", "v8n.onnx", *words)


def test_without_the_package_a_sentence_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "trackers", None)
    assert "tracking needs trackers 2.6" in refused("detect", "a.jpg", "--model", "v8n.onnx", "--track")


def test_zones_are_counted_in_each_picture(images: Path) -> None:
    zones = ("--zone", "left=0,0,0.5,0,0.5,1,0,1", "--zone", "right=0.6,0,1,0,1,1,0.6,1")
    done = run("detect", str(images), "--model", "v8n.onnx", "--no-save", "--json", "-", *zones)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(lines) == 3
    for number, line in enumerate(lines):
        assert line["zones"] == {"left": {f"n{number}": 1}, "right": {}}
        assert [one["zones"] for one in line["detections"]] == [["left"]]
        assert not {"events", "entered", "lines"} & line.keys() and "tracker_id" not in line["detections"][0]
