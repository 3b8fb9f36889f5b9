"""The stages of one image through a model: letterbox it, run it on a core that is lent, decode."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from yolorknn.errors import InferenceError
from yolorknn.image import Canvas, Image, Letterbox
from yolorknn.model.metadata import ModelMetadata
from yolorknn.model.values import Values, floats
from yolorknn.runtime.backend import SessionBackend
from yolorknn.runtime.pool import BackendPool
from yolorknn.tasks.known import task_of
from yolorknn.tasks.task import Thresholds
from yolorknn.tasks.views import View


class Prepared(NamedTuple):
    """An image laid into the model's input."""

    canvas: Canvas
    placed: Letterbox
    seconds: float
    """What that took."""
    image: Image | None = None
    """The image itself, where tiles of it are to be looked at too."""


class Inferred(NamedTuple):
    """What the model gave, and the moments (time.perf_counter) at which the core was got and left."""

    outputs: Sequence[Any]
    """Values of the model's outputs; of an image that is cut, what was found in each view."""
    placed: Letterbox
    got: float
    left: float
    views: Sequence[View] = ()
    """Of an image that is cut: the whole of it, and its tiles."""


def always() -> bool:
    """Say that what is asked for is wanted."""
    return True


class Stages:
    """A model's stages, each of which may run in a thread of its own. Threads may share them.

    Args:
        pool: lends what runs the model; closed by its owner.
        metadata: what the model says of itself.
        thresholds: what is kept of its results; may be replaced at any time.
    """

    def __init__(self, pool: BackendPool, metadata: ModelMetadata, thresholds: Thresholds) -> None:
        self.pool, self.metadata, self.thresholds = pool, metadata, thresholds
        self._task = task_of(metadata)
        self._canvases: deque[Canvas] = deque()
        self._turns: dict[int, threading.Lock] = {}
        """By process: that of decoding. One that is forked has not the thread that had it, and would wait for ever."""

    def run(self, image: NDArray[Any] | None) -> Any:
        """Take an image through all stages; return what the model's task finds in it."""
        return self.decode(self.infer(self.prepare(image)))

    def prove(self) -> None:
        """Run the model once on every context, on a picture of noise; see LoadedModel.prove."""
        height, width = self.metadata.imgsz
        picture = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
        for _ in range(len(self.pool)):
            inferred = Stages.infer(self, Stages.prepare(self, picture))  # one run, also where an image takes several
            if not all(np.isfinite(floats(values)).all() for values in inferred.outputs):
                raise InferenceError("the model gives values that are no numbers, on a picture of noise")
            Stages.decode(self, inferred)

    def prepare(self, image: NDArray[Any] | None) -> Prepared:
        """Lay an image, BGR uint8 (H, W, 3), which is not written to, into the model's input."""
        start = time.perf_counter()
        try:
            canvas = self._canvases.pop()
        except IndexError:
            canvas = self._task.canvas(self.metadata.imgsz)
        placed = canvas.fill(image)
        return Prepared(canvas, placed, time.perf_counter() - start)

    def workers(self, *, newest: bool) -> int:
        """Return how many images to infer at once: of all, or of the newest, which are not to wait for each other."""
        return self.pool.cores if newest else len(self.pool)  # a second one on a core would only make both late

    def infer(self, prepared: Prepared, wanted: Callable[[], bool] = always) -> Inferred:
        """Wait for an idle core and run the model on it; the prepared image is used up.

        Where this takes several runs, it is given up as soon as `wanted` returns False.
        """
        with self.pool.lend() as backend:
            got = time.perf_counter()
            infer = backend.values if isinstance(backend, SessionBackend) else backend.infer
            outputs: Sequence[Values] = infer(prepared.canvas.pixels)
            left = time.perf_counter()
        self.recycle(prepared)
        return Inferred(outputs, prepared.placed, got, left)

    def recycle(self, prepared: Prepared) -> None:
        """Take back the buffer of a prepared image that is not to be inferred."""
        self._canvases.append(prepared.canvas)

    def decode(self, inferred: Inferred) -> Any:
        """Say what the model found, in pixels of the image; one thread at a time, as more would only wait."""
        with self._turns.setdefault(os.getpid(), threading.Lock()):
            return self._task.decode(inferred.outputs, self.metadata, self.thresholds, inferred.placed)

    def hurry(self) -> None:
        """Have the inferences under way end soon: their results are not wanted any more."""
        self.pool.hurry()
