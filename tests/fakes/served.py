"""Cameras that are watched and served: what is found in every picture is known."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tests.fakes.clips import encoded
from tests.fakes.encode import Cell, encode_split
from tests.fakes.rtsp import RtspCamera
from tests.fakes.waiting import until
from tests.fakes.watched import WATCHED, WholeBackend, watched_detector
from yolorknn.live.camera import Camera
from yolorknn.live.camera_settings import CameraSettings
from yolorknn.live.settings import Settings
from yolorknn.live.watcher import Watcher
from yolorknn.predict.detector import Detector
from yolorknn.serve.hub import Hub
from yolorknn.serve.watched import Watched
from yolorknn.tasks.task import Wording
from yolorknn.tracking.zones import Line

NAMES = WATCHED.names
CELLS = (
    Cell(16, 8, 4, 0, 0.9, (2.0, 3.0, 2.0, 3.0)),
    Cell(16, 6, 14, 1, 0.6, (2.0, 2.0, 2.0, 2.0)),
    Cell(16, 12, 10, 2, 0.3, (1.0, 1.0, 1.0, 1.0)),
)
"""What is found: one of class n0 at the left, one of n1 at the right, and one of n2 that is doubtful."""

KERB = Line("kerb", (0.1, 0.95), (0.9, 0.95))
"""In the first camera's picture; nothing is found there."""


class FindsThree(WholeBackend):
    """A core that finds CELLS in every picture."""

    def infer(self, image: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        assert self._busy.acquire(blocking=False), "two threads in one backend"
        try:
            time.sleep(self.seconds)
            self.seen += 1
            return encode_split(WATCHED, list(CELLS))
        finally:
            self._busy.release()


@dataclass(frozen=True)
class Served:
    """What a test has of it."""

    detector: Detector
    watcher: Watcher
    hub: Hub
    settings: Settings
    cameras: Sequence[RtspCamera]

    @property
    def watched(self) -> Watched:
        """All of it."""
        return Watched([self.watcher], self.hub)


@contextlib.contextmanager
def serving(
    folder: Path, names: Sequence[str] = ("door", "yard"), *, seconds: float = 0.005, absent: Sequence[str] = ()
) -> Iterator[Served]:
    """Watch cameras of these names, each of which has given a result; and others that are not there."""
    cameras = [RtspCamera(encoded()) for _ in names]
    every = [Camera(name, camera.url) for name, camera in zip(names, cameras, strict=True)]
    every += [Camera(name, "rtsp://user:secret@127.0.0.1:9/live") for name in absent]
    wording = Wording.of(WATCHED)
    hub = Hub({camera.name: wording for camera in every})
    lines = {names[0]: CameraSettings(lines=(KERB,))}
    settings = Settings({camera.name: NAMES for camera in every}, lines, path=folder / "settings.json")
    try:
        with (
            contextlib.closing(hub),
            watched_detector(folder, [FindsThree(seconds, looks=False) for _ in range(2)]) as detector,
            Watcher(detector, every, [hub], settings=settings, told=hub.tell) as watcher,
        ):
            until(lambda: all(hub.cameras[name].number for name in names))
            yield Served(detector, watcher, hub, settings, cameras)
    finally:
        for camera in cameras:
            camera.close()
