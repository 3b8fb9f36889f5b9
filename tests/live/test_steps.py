"""Steps of cameras that are watched: each camera has its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.fakes.clips import encoded
from tests.fakes.rtsp import RtspCamera
from tests.fakes.waiting import until
from tests.fakes.watched import WholeBackend, watched_detector
from yolorknn.live.camera import Camera
from yolorknn.live.watcher import Watcher
from yolorknn.stream.result import Result
from yolorknn.stream.scene import Scene
from yolorknn.stream.sinks.callback import Callback

pytest.importorskip("av", reason="PyAV is not installed")


class Marking:
    """A step that writes whose and which epoch into the scene."""

    def __init__(self, name: str) -> None:
        self.name, self.epoch = name, 0

    def begin(self, epoch: int) -> None:
        self.epoch = epoch

    def apply(self, result: Result[Any]) -> Result[Any]:
        return result.with_scene(result.detections, Scene(zones={self.name: {"epoch": self.epoch}}))

    def close(self) -> None:
        pass


def test_each_camera_has_its_own_steps(tmp_path: Path) -> None:
    """Also one that comes later; and none of a camera that is not there."""
    cameras = [RtspCamera(encoded(fps=50)) for _ in range(3)]
    named = [Camera(f"cam{number}", camera.url) for number, camera in enumerate(cameras)]
    noted: dict[str, Any] = {}
    sink = Callback(lambda result: noted.update({result.camera: dict(result.scene.zones)}))
    with watched_detector(tmp_path, [WholeBackend(0.005)]) as detector:
        with pytest.raises(ValueError, match="there are steps of cam9, and no such camera"):
            Watcher(detector, named, steps={"cam9": []})
        steps = {name: [Marking(name)] for name in ("cam0", "cam1")}
        with Watcher(detector, named[:2], [sink], steps=steps, told=lambda _: None) as watcher:
            until(lambda: len(noted) == 2)
            watcher.change(named, {"cam2": [Marking("cam2")]})
            until(lambda: len(noted) == 3)
    for camera in cameras:
        camera.close()
    assert noted == {name: {name: {"epoch": 1}} for name in ("cam0", "cam1", "cam2")}
