"""Settings: what of a camera's results is kept, changed while it runs, and kept over runs."""

from __future__ import annotations

import errno
import json
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest

from tests.fakes.results import detections
from yolorknn import Detections, Result, Timings
from yolorknn.errors import InputError, OutputError
from yolorknn.live.camera_settings import MOST_CORNERS, MOST_ZONES, CameraSettings
from yolorknn.live.settings import Settings
from yolorknn.tasks.classification import Classification
from yolorknn.tracking.zones import Line, Zone

NAMES = ("person", "car", "dog")
BOX = (0.0, 0.0, 9.0, 9.0)
DOOR = {"door": [[0.1, 0.2], [0.5, 0.2], [0.5, 0.9]]}


def result(found: Any, camera: str = "a") -> Result[Any]:
    picture = np.zeros((10, 10, 3), np.uint8)
    return Result(picture, 7, 1.5, found, Timings(0, 0, 0, 0, 0, 0), "camera0", "unix", camera, 3, 2.5)


def kept(settings: Settings, *found: tuple[float, int], camera: str = "a") -> list[tuple[float, int]]:
    given = detections(*[(BOX, confidence, class_id) for confidence, class_id in found])
    left: Detections = settings.apply(result(given, camera)).detections
    return [(round(confidence, 4), class_id) for _, confidence, class_id in left]


def test_each_camera_keeps_what_it_is_told_to() -> None:
    settings = Settings({"a": NAMES, "b": NAMES})
    settings.change("a", {"conf": 0.5, "classes": ["car", "dog"]})
    found = ((0.9, 0), (0.8, 1), (0.5, 2), (0.4, 1), (0.3, 0))
    assert kept(settings, *found) == [(0.8, 1)]
    assert kept(settings, *found, camera="b") == list(found)
    settings.change("a", {"conf": 0.1, "classes": None})
    assert kept(settings, *found) == list(found)


def test_the_rest_of_a_result_stays() -> None:
    settings = Settings({"a": NAMES}, {"a": CameraSettings(conf=0.95)})
    given = result(detections((BOX, 0.9, 0)))
    left = settings.apply(given)
    assert len(left.detections) == 0 and left.frame is given.frame
    assert (left.index, left.timestamp, left.camera, left.epoch, left.arrived) == (7, 1.5, "a", 3, 2.5)
    whole = result(Classification(np.array([1, 0]), np.array([0.6, 0.4])))
    assert settings.apply(whole) is whole


def test_they_are_kept_over_runs_also_of_cameras_that_are_away(tmp_path: Path) -> None:
    path = tmp_path / "state/settings.json"
    Settings({"a": NAMES, "b": NAMES}, path=path).change("a", {"conf": 0.5, "zones": DOOR})
    Settings({"b": NAMES}, path=path).change("b", {"classes": ["car"]})
    settings = Settings({"a": NAMES, "b": NAMES}, path=path)
    assert settings.of("a").to_json() == {"conf": 0.5, "classes": None, "zones": DOOR, "lines": {}}
    assert settings.of("b").classes == ("car",)
    assert Settings({"b": ("cat",)}, path=path).of("b").classes is None  # another model
    Settings({"b": NAMES}, path=path).change("b", {"classes": []})
    assert Settings({"b": NAMES}, path=path).of("b").classes == (), "none is not all"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"cameras": []}', '{"cameras": null}', "[" * 100000])
def test_a_file_that_is_none_is_put_aside(tmp_path: Path, text: str) -> None:
    path, told = tmp_path / "settings.json", list[str]()
    path.write_text(text)
    assert Settings({"a": NAMES}, path=path, told=told.append).of("a") == CameraSettings()
    assert not path.exists() and (tmp_path / "settings.json.unusable").read_text() == text
    assert len(told) == 1 and "\n" not in told[0]


def test_a_zone_that_is_told_more_of_keeps_that_when_it_is_drawn_anew(tmp_path: Path) -> None:
    zone = Zone("door", ((0, 0), (1, 0), (1, 1)), classes=("car",), anchor="center", enter_after=3)
    settings = Settings({"a": NAMES}, {"a": CameraSettings(zones=(zone,))}, path=tmp_path / "s.json")
    assert settings.change("a", {"zones": {}}).zones == ()
    (drawn,) = settings.change("a", {"zones": DOOR}).zones
    assert drawn == replace(zone, polygon=((0.1, 0.2), (0.5, 0.2), (0.5, 0.9)))
    again = Settings({"a": NAMES}, {"a": CameraSettings(zones=(zone,))}, path=tmp_path / "s.json")
    assert again.of("a").zones == (drawn,)


def test_what_nobody_changed_follows_the_default_and_cameras_come_and_go(tmp_path: Path) -> None:
    settings, told = Settings({"a": NAMES}, path=tmp_path / "s.json"), list[str]()
    settings.listen(lambda: told.append("changed"))
    settings.change("a", {"classes": ["car"]})
    settings.fit({"a": NAMES, "b": NAMES}, {"a": CameraSettings(conf=0.6), "b": CameraSettings(conf=0.7)})
    assert settings.of("a") == CameraSettings(0.6, ("car",)) and settings.of("b").conf == 0.7
    assert told == ["changed", "changed"]


def test_classes_that_were_chosen_and_that_another_model_has_not_are_told_once(tmp_path: Path) -> None:
    """Without them others are kept, or all: nobody chose that."""
    path, told = tmp_path / "settings.json", list[str]()
    Settings({"a": ("cat", "dog")}, path=path).change("a", {"classes": ["cat", "dog"]})
    settings = Settings({"a": ("dog", "hen")}, path=path, told=told.append)
    settings.fit({"a": ("dog", "hen")})
    assert settings.of("a").classes == ("dog",)
    assert told == [f"a: the model has no class cat, which {path} has: only dog are kept"]
    settings.fit({"a": ("hen",)})
    assert told[1:] == [f"a: the model has no class cat, dog, which {path} has: all classes are kept"]


def test_what_is_kept_and_out_of_range_is_told(tmp_path: Path) -> None:
    path, told = tmp_path / "settings.json", list[str]()
    path.write_text(json.dumps({"cameras": {"a": {"conf": 2}}}))
    assert Settings({"a": NAMES}, path=path, told=told.append).of("a") == CameraSettings()
    assert "conf is a number from 0 to 1" in told[0]


def test_no_zone_is_called_like_a_line(tmp_path: Path) -> None:
    """One that was drawn is refused, and one that was kept so takes the camera's own zones not away."""
    path, told = tmp_path / "settings.json", list[str]()
    own = CameraSettings(0.4, None, (Zone("yard", ((0, 0), (1, 0), (1, 1))),), (Line("gate", (0, 0), (1, 1)),))
    settings = Settings({"a": NAMES}, {"a": own}, path=path)
    with pytest.raises(InputError, match="two zones or lines are called 'gate'"):
        settings.change("a", {"zones": {"gate": DOOR["door"]}})
    assert settings.of("a") == own and not path.exists()
    path.write_text(json.dumps({"cameras": {"a": {"conf": 0.7, "zones": {"gate": DOOR["door"]}}}}))
    assert Settings({"a": NAMES}, {"a": own}, path=path, told=told.append).of("a") == replace(own, conf=0.7)
    assert told == [
        f"a: its zones in {path} are not used: two zones or lines are called 'gate': give each a name of its own"
    ]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([], "settings are an object"),
        ({"x": 1}, "there is no setting 'x'"),
        ({"conf": 1.5}, "conf is a number from 0 to 1"),
        ({"conf": float("nan")}, "conf is a number from 0 to 1"),
        ({"conf": True}, "conf is a number from 0 to 1"),
        ({"classes": "car"}, "classes are a list"),
        ({"classes": ["cat"]}, "no class 'cat'"),
        ({"zones": []}, "zones are an object"),
        ({"zones": {str(n): DOOR["door"] for n in range(33)}}, "at most 32"),
        ({"zones": {"": DOOR["door"]}}, "a zone has a name"),
        ({"zones": {"a\nb": DOOR["door"]}}, "a zone has a name"),
        ({"zones": {"a": [[0, 0], [1, 1]]}}, "2 corners, and needs 3"),
        ({"zones": {"a": [[0, 0], [0.5, 0.5], [1, 1]]}}, "has no area"),
        ({"zones": {"a": [[0, 0], [1, 1], [0, 2]]}}, "shares of the picture"),
        ({"zones": {"a": [[0, 0], [1, 1], [0, float("inf")]]}}, "shares of the picture"),
        ({"zones": {"a": [[0, 0], [1, 1], [0, 10**400]]}}, "too large|shares of the picture"),
        ({"zones": {"a": [[0, 0], [1, 1], ["0", 1]]}}, "shares of the picture"),
        ({"zones": {"a": [[0, 0], [1, 1], [0]]}}, "points x, y"),
        ({"zones": {"a": [[0, 0]] * 65}}, "at most 64"),
    ],
)
def test_what_is_refused_changes_nothing(tmp_path: Path, values: Any, words: str) -> None:
    path = tmp_path / "settings.json"
    settings = Settings({"a": NAMES}, path=path)
    with pytest.raises(InputError, match=words):
        settings.change("a", values)
    assert settings.of("a") == CameraSettings() and not path.exists()
    with pytest.raises(InputError, match="no camera 'c'"):
        settings.change("c", {"conf": 0.5})


def test_what_cannot_be_kept_is_not_changed(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    settings = Settings({"a": NAMES}, path=tmp_path / "file/settings.json")
    with pytest.raises(OutputError):
        settings.change("a", {"conf": 0.5})
    assert settings.of("a").conf == 0.25


def test_what_cannot_be_read_for_a_moment_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no file can be opened any more it was put aside, though no other could be written in its place."""
    path, told = tmp_path / "settings.json", list[str]()
    settings = Settings({"a": NAMES}, path=path, told=told.append)
    settings.change("a", {"zones": DOOR})
    monkeypatch.setattr(Path, "open", Mock(side_effect=OSError(errno.EMFILE, "Too many open files")))
    with pytest.raises(OutputError, match=r"cannot read .*settings.json, where changes are kept: Too many open files"):
        settings.change("a", {"conf": 0.5})
    monkeypatch.undo()
    assert Settings({"a": NAMES}, path=path).of("a") == settings.of("a") and not told


def test_as_many_zones_as_there_may_be_are_read_again(tmp_path: Path) -> None:
    """Of all cameras of a site, whose settings are one file."""
    path, told = tmp_path / "settings.json", list[str]()
    corners = np.random.default_rng(0).uniform(size=(MOST_CORNERS, 2)).tolist()
    zones = {f"zone {number}": corners for number in range(MOST_ZONES)}
    cameras = {f"camera{number}": NAMES for number in range(12)}
    settings = Settings(cameras, path=path, told=told.append)
    for camera in cameras:
        settings.change(camera, {"zones": zones})
    again = Settings(cameras, path=path, told=told.append)
    assert path.stat().st_size > 1 << 20 and not told
    assert all(again.of(camera).zones == settings.of(camera).zones for camera in cameras)
