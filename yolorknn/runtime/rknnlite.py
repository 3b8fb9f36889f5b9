""".rknn on the board: rknn-toolkit-lite2, one context per NPU core; and what rknn_toolkit_lite 1.7 shares with it.

The vendor's class fails quietly: init_runtime() returns -1 and inference() returns None for any reason, with the cause
on stderr or in its log; inference() does not check the image's size, swallows Ctrl-C, and leaves reference cycles of
some 40 kB a call behind. Here each becomes an error, and the cycles are collected.
"""

from __future__ import annotations

import contextlib
import gc
import logging
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from numpy.typing import NDArray

from yolorknn.errors import BackendError, InferenceError
from yolorknn.model.metadata import Tensor
from yolorknn.model.rknn_file import RknnFile
from yolorknn.runtime.session import Arrays, image_input, named, on_core
from yolorknn.runtime.vendor_text import heard_log, vendor_text
from yolorknn.runtime.wheel import mend_absent, wheel_class

COLLECT_EVERY = 5
"""Inferences between two collections of the vendor's cycles: its inference() makes ctypes classes anew each time."""


class LiteSession:
    """One context of a wheel of the vendor's. One thread at a time: it mixes up the outputs of two.

    Args:
        wheel: imports it, and returns its class.
        path: a .rknn for this board.
        inputs: what run() takes.
        outputs: what it gives, floats.
        core: index of the core to run on; None where the chip has no core masks.
        batched: whether an image goes in with its axis of batches.
        meaning: what is to be said of a code that is not 0, and of the vendor's own words, after these.

    Raises:
        MissingDependencyError: the wheel is not installed, or cannot be imported.
        BackendError: the runtime refused the model; the vendor's own words are in the text.
    """

    def __init__(
        self,
        wheel: Callable[[], Any],
        path: Path,
        *,
        inputs: Sequence[Tensor],
        outputs: Sequence[Tensor],
        core: int | None = None,
        batched: bool = True,
        meaning: Callable[[int, str], str] = lambda code, said: "",
    ) -> None:
        self.inputs, self.outputs = list(inputs), list(outputs)
        self._where, self._batched = on_core(path, core), batched
        self._calls = 0
        self._runtime: Any = None
        runtime = wheel()()
        try:
            with vendor_text() as said, _interruptible():
                code = runtime.load_rknn(str(path))
                step = "load_rknn"
                if code == 0:
                    step = "init_runtime"
                    code = runtime.init_runtime() if core is None else runtime.init_runtime(core_mask=1 << core)
            if code != 0:
                raise BackendError(f"{step} returned {code} for {self._where}: {said()}{meaning(code, said())}")
        except BaseException:
            runtime.release()  # after -1 a live context may remain
            raise
        self._runtime = runtime

    def run(self, arrays: Arrays) -> dict[str, NDArray[Any]]:
        """Run the model; see Session.run. Images are uint8 NHWC with a batch axis."""
        if self._runtime is None:
            raise InferenceError(f"{self._where} is closed")
        given = [arrays[tensor.name] for tensor in self.inputs]  # no tuple
        with heard_log() as said, _interruptible():
            outputs = self._runtime.inference(inputs=given if self._batched else [array[0] for array in given])
        self._calls += 1
        if self._calls % COLLECT_EVERY == 0:
            gc.collect(1)  # they are young
        if outputs is None:
            raise InferenceError(f"inference returned None for {self._where}: {said()}")
        return named(outputs, self.outputs, where=self._where)

    def close(self) -> None:
        """Destroy the context; the vendor's object would leak it."""
        if self._runtime is not None:
            self._runtime.release()
            self._runtime = None


def open_lite(file: RknnFile, *, core: int | None = None) -> LiteSession:
    """Load a model onto a core by rknn-toolkit-lite2, which refuses images without an axis of batches.

    Args:
        file: a .rknn for this board.
        core: see LiteSession.

    Raises:
        MissingDependencyError: rknn-toolkit-lite2 is not installed, or cannot be imported.
        BackendError: see LiteSession.
    """
    return LiteSession(
        _import_rknnlite,
        file.path,
        inputs=[image_input(tensor) for tensor in file.inputs],
        outputs=[tensor._replace(dtype="float32") for tensor in file.outputs],
        core=core,
    )


def _import_rknnlite() -> Any:
    RKNNLite = wheel_class(
        "rknn-toolkit-lite2",
        "running a .rknn on the board",
        absent=mend_absent(),
        broken="mend that, or take --runtime c",
    )
    for name in ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"):  # some versions rename them: "Unknown level: 'INFO'"
        logging.addLevelName(getattr(logging, name), name)
    return RKNNLite


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    """Let Ctrl-C through a call that swallows KeyboardInterrupt (a bare `except:` in the vendor's inference)."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    pressed: list[FrameType | None] = []
    previous = signal.signal(signal.SIGINT, lambda _, frame: pressed.append(frame))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)
        if pressed and callable(previous):
            previous(signal.SIGINT, pressed[-1])
