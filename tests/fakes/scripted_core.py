"""A core whose contexts follow a script: they answer, fail, hang, or give the frame before."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar

import numpy as np

from tests.fakes.encode import encode_split, split_metadata
from tests.fakes.numbered import cell_of, number_of, numbered_frame
from yolorknn.model.metadata import Tensor
from yolorknn.runtime.backend import SessionBackend
from yolorknn.runtime.patience import Patience
from yolorknn.runtime.recovering import RecoveringSession
from yolorknn.runtime.session import Arrays
from yolorknn.tasks.known import output_shapes

METADATA = split_metadata((64, 64), 5)
SHORT = Patience(first=0.6, factor=20, least=0.6)
FINE = "fine"


class Context:
    """A session that follows a script: for each call FINE, an error, "stale" or "hang"."""

    inputs: ClassVar = [Tensor("images", (1, 64, 64, 3), "uint8", "NHWC")]
    outputs: ClassVar = [Tensor(name, shape, "float32") for name, shape in output_shapes(METADATA).items()]

    def __init__(self, core: Core, script: list[object]) -> None:
        self.core, self.script = core, script
        self.closed = 0
        self.given: list[np.ndarray] = []

    def run(self, arrays: Arrays) -> dict[str, np.ndarray]:
        assert not self.closed
        what = self.script.pop(0) if self.script else FINE
        if isinstance(what, Exception):
            raise what
        if what == "hang":
            self.core.hangs.set()
            assert self.core.go_on.wait(30)
            self.core.returned = True
        if what != "stale":
            # the fake reads RGB where numbered_frame writes BGR, hence the flip
            self.given = encode_split(METADATA, [cell_of(number_of(arrays["images"][0]))])
        return dict(zip(output_shapes(METADATA), self.given, strict=True))

    def close(self) -> None:
        self.closed += 1


class Core:
    """Opens contexts, each with the next script, and remembers them."""

    def __init__(self, *scripts: list[object] | Exception | str) -> None:
        self.scripts = list(scripts)
        self.opened: list[Context] = []
        self.hangs, self.go_on = threading.Event(), threading.Event()
        self.returned = False

    def __call__(self) -> Context:
        script = self.scripts.pop(0) if self.scripts else []
        if script == "hang":
            self.hangs.set()
            assert self.go_on.wait(30)
            script = []
        if isinstance(script, Exception):
            raise script
        self.opened.append(Context(self, list(script)))
        return self.opened[-1]

    def session(self, patience: Patience = SHORT) -> RecoveringSession:
        return RecoveringSession(self, where="m.rknn on NPU core 1", patience=patience)

    def backend(self, patience: Patience = SHORT) -> SessionBackend:
        return SessionBackend(self.session(patience), METADATA)


def rgb(number: int) -> np.ndarray:
    return np.ascontiguousarray(numbered_frame(number, (64, 64))[..., ::-1])


def same(outputs: list[np.ndarray], number: int) -> bool:
    expected = encode_split(METADATA, [cell_of(number)])
    return all(np.array_equal(a, b) for a, b in zip(outputs, expected, strict=True))


@contextmanager
def pressing_ctrl_c(*once: threading.Event) -> Iterator[None]:
    """Press it when all of these have happened."""

    def press() -> None:
        assert all(event.wait(30) for event in once)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=press)
    thread.start()
    yield
    thread.join()
