"""Settings of cameras that come and go: the model and the zones follow them, and nobody else does."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from tests.fakes.watched import WholeBackend, watched_detector
from yolorknn.live.camera import Camera
from yolorknn.live.camera_settings import CameraSettings
from yolorknn.live.settings import Settings
from yolorknn.live.watcher import Watcher
from yolorknn.tracking.tracking import Tracking
from yolorknn.tracking.zones import Zone

NOBODY = "rtsp://127.0.0.1:9/live"
HALF = Zone("half", ((0, 0), (0.5, 0), (0.5, 1), (0, 1)))


def test_a_camera_that_comes_later_has_its_zones_and_is_found_as_it_asks(tmp_path: Path) -> None:
    with watched_detector(tmp_path, [WholeBackend()]) as detector:
        names = list(detector.names.values())
        settings = Settings({"a": names}, {"a": CameraSettings(conf=0.5)})
        with Watcher(detector, [Camera("a", NOBODY)], settings=settings, told=lambda _: None) as watcher:
            assert detector.conf == 0.5
            settings.fit({"a": names, "b": names}, {"b": CameraSettings(conf=0.1, zones=(HALF,))})
            tracking = Tracking(detector.names, track=False)
            watcher.change([Camera("a", NOBODY), Camera("b", NOBODY)], {"b": [tracking]})
            assert detector.conf == 0.1 and tracking.zones == (HALF,)
            watcher.change([Camera("a", NOBODY)])
            assert detector.conf == settings.of("a").conf
        detector.conf = 0.7
        settings.change("a", {"conf": 0.2})
        assert detector.conf == 0.7, "a watcher that was stopped follows nothing"


def test_of_two_changes_at_once_both_act(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is slow to act on what it read is not to undo the other."""
    read, go = threading.Event(), threading.Event()
    with watched_detector(tmp_path, [WholeBackend()]) as detector:
        names = list(detector.names.values())
        settings = Settings({"a": names, "b": names})
        now = settings.of

        def slowly(camera: str) -> CameraSettings:
            found = now(camera)
            if threading.current_thread() is first and camera == "b":
                read.set()
                go.wait(10)
            return found

        cameras = [Camera("a", NOBODY), Camera("b", NOBODY)]
        with Watcher(detector, cameras, settings=settings, told=lambda _: None):
            monkeypatch.setattr(settings, "of", slowly)
            first = threading.Thread(target=settings.change, args=("a", {"conf": 0.5}))
            second = threading.Thread(target=settings.change, args=("b", {"conf": 0.05}))
            first.start()
            assert read.wait(10)
            second.start()
            second.join(0.3)
            go.set()
            first.join()
            second.join()
            assert detector.conf == 0.05


def test_two_services_keep_their_cameras_in_one_file(tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    one, other = Settings({"a": ["n"]}, path=path), Settings({"b": ["n"]}, path=path)
    one.change("a", {"conf": 0.4})
    other.change("b", {"conf": 0.6})
    one.change("a", {"classes": ["n"]})
    both = Settings({"a": ["n"], "b": ["n"]}, path=path)
    assert both.of("a") == CameraSettings(conf=0.4, classes=("n",)) and both.of("b").conf == 0.6
