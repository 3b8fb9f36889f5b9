"""Backends that object to what a core of an NPU would not survive."""

from __future__ import annotations

import os
import random
import threading
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tests.fakes.encode import encode_split, split_metadata
from tests.fakes.numbered import cell_of, number_of
from tests.fakes.rknn_files import write_rknn
from yolorknn.errors import InferenceError
from yolorknn.model.metadata import Build, ModelMetadata
from yolorknn.predict.detector import Detector

NUMBERS = split_metadata((32, 64), 5)
"""What the model says that number_detector() runs."""


class NumberBackend:
    """One core of an NPU: takes its time, answers the frame's number as a box, and fails where told to."""

    def __init__(self, metadata: ModelMetadata, *, seconds: float = 0.0, failing: frozenset[int] = frozenset()) -> None:
        self.metadata, self.seconds, self.failing = metadata, seconds, failing
        self.closed = False
        self._locks: dict[int, threading.Lock] = {}

    @property
    def _busy(self) -> threading.Lock:
        """Held while it infers; a process that is forked amid that has its own."""
        return self._locks.setdefault(os.getpid(), threading.Lock())

    def infer(self, image: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        assert not self.closed, "used after close"
        assert self._busy.acquire(blocking=False), "two threads in one backend"
        try:
            number = number_of(image)
            time.sleep(random.random() * 2 * self.seconds)
            if number in self.failing:
                raise InferenceError(f"frame {number}")
            return encode_split(self.metadata, [cell_of(number)])
        finally:
            self._busy.release()

    def close(self) -> None:
        assert not self._busy.locked(), "closed while in use"
        self.closed = True


def number_detector(
    folder: Path,
    cores: int = 3,
    seconds: float = 0.0,
    failing: frozenset[int] = frozenset(),
    *,
    backend: type[NumberBackend] = NumberBackend,
) -> Detector:
    """Return a detector on so many NumberBackends, its model in `folder`."""
    metadata = ModelMetadata(**{**NUMBERS.__dict__, "build": Build("rk3588", "i8", "2.3.2")})
    model = write_rknn(folder / "model.rknn", metadata)
    return Detector(model, backends=[backend(NUMBERS, seconds=seconds, failing=failing) for _ in range(cores)])
