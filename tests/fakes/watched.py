"""A model that looks whether what it is given is whole, and who keeps what it found: for tests of cameras."""

from __future__ import annotations

import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.fakes.clips import is_whole
from tests.fakes.encode import encode_split, split_metadata
from tests.fakes.numbered import cell_of
from tests.fakes.rknn_files import write_rknn
from yolorknn.live.camera import CameraStatus
from yolorknn.live.watcher import Watcher
from yolorknn.model.metadata import Build, ModelMetadata
from yolorknn.predict.detector import Detector
from yolorknn.stream.result import Result

WATCHED = split_metadata((256, 320), 5)
"""What the model says; its input is as large as a clip's pictures."""


class WholeBackend:
    """One core of an NPU, that takes its time, and notes each picture that is damaged.

    Args:
        seconds: an inference takes.
        looks: whether it does look.
    """

    def __init__(self, seconds: float = 0.0, *, looks: bool = True) -> None:
        self.seconds, self._looks = seconds, looks
        self.seen = 0
        self.damaged: list[NDArray[np.uint8]] = []
        self._busy = threading.Lock()

    def infer(self, image: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        assert self._busy.acquire(blocking=False), "two threads in one backend"
        try:
            time.sleep(self.seconds)
            self.seen += 1
            picture = np.ascontiguousarray(image[..., ::-1])
            if self._looks and not is_whole(picture):
                self.damaged.append(picture)
            return encode_split(WATCHED, [cell_of(0)])
        finally:
            self._busy.release()

    def close(self) -> None:
        pass


def watched_detector(folder: Path, backends: list[WholeBackend]) -> Detector:
    """Return a detector on these."""
    metadata = ModelMetadata(**{**WATCHED.__dict__, "build": Build("rk3588", "i8", "2.3.2")})
    return Detector(write_rknn(folder / "watched.rknn", metadata), backends=backends)


class Kept:
    """A sink that keeps what it is given, but the pictures."""

    def __init__(self) -> None:
        self.results: list[tuple[str, int, int]] = []
        self.by = Counter[str]()

    def write(self, result: Result[Any]) -> None:
        self.results.append((result.camera, result.epoch, result.index))
        self.by[result.camera] += 1

    def close(self) -> None:
        pass


def by_name(watcher: Watcher) -> dict[str, CameraStatus]:
    return {status.name: status for status in watcher.status()}
