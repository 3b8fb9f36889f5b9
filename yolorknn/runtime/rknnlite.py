""".rknn on the board: rknn-toolkit-lite2, one context per NPU core.

The vendor's class fails quietly: init_runtime() returns -1 and inference() returns None for any reason, with the cause
on stderr or in its log; inference() does not check the image's size, swallows Ctrl-C, and leaves reference cycles of
some 40 kB a call behind. Here each becomes an error, and the cycles are collected.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import logging
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any, TextIO

from numpy.typing import NDArray

from yolorknn.errors import BackendError, InferenceError, MissingDependencyError, ModelError
from yolorknn.model.metadata import Tensor
from yolorknn.model.platforms import FIRST_GENERATION, Platform, chips, first_generation, runs_on, this_platform
from yolorknn.model.rknn_file import RknnFile
from yolorknn.runtime.recovering import RecoveringSession
from yolorknn.runtime.session import Arrays, named

VENDOR_LOGGER = "acuityLogger"
COLLECT_EVERY = 5
"""Inferences between two collections of the vendor's cycles: its inference() makes ctypes classes anew each time."""


class RknnLiteSession:
    """One context of the NPU runtime. One thread at a time: the vendor mixes up the outputs of two."""

    def __init__(self, file: RknnFile, *, core: int | None = None) -> None:
        """Load the model onto the NPU.

        Args:
            file: a .rknn for this board.
            core: index of the core to run on; None where the chip has no core masks.

        Raises:
            MissingDependencyError: rknn-toolkit-lite2 is not installed.
            BackendError: the runtime refused the model; the vendor's own words are in the text.
        """
        self.inputs = [_image(tensor) for tensor in file.inputs]
        self.outputs = [tensor._replace(dtype="float32") for tensor in file.outputs]
        self._where = on_core(file.path, core)
        self._calls = 0
        self._runtime: Any = None
        runtime = _import_rknnlite()()
        try:
            with _vendor_text() as said, _interruptible():
                code = runtime.load_rknn(str(file.path))
                step = "load_rknn"
                if code == 0:
                    step = "init_runtime"
                    code = runtime.init_runtime() if core is None else runtime.init_runtime(core_mask=1 << core)
            if code != 0:
                raise BackendError(f"{step} returned {code} for {self._where}: {said()}")
        except BaseException:
            runtime.release()  # after -1 a live context may remain
            raise
        self._runtime = runtime

    def run(self, arrays: Arrays) -> dict[str, NDArray[Any]]:
        """Run the model; see Session.run. Images are uint8 NHWC with a batch axis: three dimensions are refused."""
        if self._runtime is None:
            raise InferenceError(f"{self._where} is closed")
        with _heard_log() as said, _interruptible():
            outputs = self._runtime.inference(inputs=[arrays[tensor.name] for tensor in self.inputs])  # no tuple
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


def open_cores(file: RknnFile, *, source: Path, board: Platform | None = None) -> list[RecoveringSession]:
    """Open one context on each NPU core of this board; each is replaced when it fails.

    Args:
        file: a .rknn.
        source: the .onnx that it was built from, for messages.
        board: the platform; by default the one the device tree names.

    Raises:
        ModelError: built for another platform, or this machine has no NPU.
        BackendError: the runtime refused it; what was opened is closed again.
    """
    path = file.path
    board = board or this_platform()
    if board is None and (old := [chip for chip in chips() if chip in FIRST_GENERATION]):
        raise ModelError(f"{path} does not run here: {first_generation(old[0])}")
    if board is None:
        raise ModelError(
            f"{path} runs on a Rockchip board, which this machine is not: copy it to the board, or here use the .onnx "
            f"it was built from ({source}); detect and val run it here too, with --simulate (in "
            "Python, simulate=True)"
        )
    if not any(runs_on(name, board) for name in file.platforms):
        raise ModelError(
            f"{path} is built for {', '.join(file.platforms)}, this board is {board.name}: "
            f"build it again with --platform {board.name}"
        )
    if not board.python:
        raise ModelError(f"rknn-toolkit-lite2 does not run on {board.name}: use the vendor's C runtime there")
    with contextlib.ExitStack() as opened:  # what was opened is closed again when a later core fails
        sessions = []
        for core in range(board.cores) if board.core_mask else [None]:
            context = functools.partial(RknnLiteSession, file, core=core)
            session = RecoveringSession(context, where=on_core(path, core), abandon=give_back_stderr)
            sessions.append(opened.enter_context(contextlib.closing(session)))
        opened.pop_all()
    return sessions


def _image(tensor: Tensor) -> Tensor:
    """Return an input as the wheel takes it; the file states NCHW."""
    if len(tensor.shape) != 4:
        return tensor
    batch, channels, height, width = tensor.shape
    return tensor._replace(shape=(batch, height, width, channels), dtype="uint8", layout="NHWC")


def on_core(path: Path, core: int | None) -> str:
    """Return the words for a model on a core."""
    return f"{path} on NPU core {core}" if core is not None else f"{path} on the NPU"


def _import_rknnlite() -> Any:
    try:
        from rknnlite.api import RKNNLite
    except ImportError as exc:
        raise MissingDependencyError("rknn-toolkit-lite2", "board", "running a .rknn on the board") from exc
    for name in ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"):  # some versions rename them: "Unknown level: 'INFO'"
        logging.addLevelName(getattr(logging, name), name)
    return RKNNLite


class _ThreadLog(logging.Filter):
    """Keeps what one thread logs, and lets nothing of it through to the vendor's own handler."""

    def __init__(self) -> None:
        super().__init__()
        self._thread = threading.get_ident()
        self.lines: list[str] = []

    def filter(self, record: logging.LogRecord) -> bool:
        if record.thread != self._thread:
            return True
        if len(self.lines) < 100:
            self.lines += record.getMessage().splitlines()  # a traceback is one record
        return False


@contextlib.contextmanager
def _heard_log() -> Iterator[Callable[[], str]]:
    """Listen to the vendor's logger; what is yielded tells, afterwards, what this thread was told."""
    heard = _ThreadLog()
    logger = logging.getLogger(VENDOR_LOGGER)
    logger.addFilter(heard)
    try:
        yield lambda: _sentence(heard.lines) or "the vendor's runtime gave no reason"
    finally:
        logger.removeFilter(heard)


_stderr_lock = threading.Lock()
_kept: list[tuple[int, TextIO]] = []
"""While stderr is caught, and until someone gives it back: the real one, as descriptor and as Python's."""


def give_back_stderr() -> None:
    """End the catching of stderr for a model whose opening hangs."""
    for kept in _kept.copy():
        _give_back(kept)


def _give_back(kept: tuple[int, TextIO]) -> None:
    try:
        _kept.remove(kept)  # the first to come does it
    except ValueError:
        return
    descriptor, sys.stderr = kept
    os.dup2(descriptor, 2)
    os.close(descriptor)
    _stderr_lock.release()


@contextlib.contextmanager
def _vendor_text() -> Iterator[Callable[[], str]]:
    """Catch what Python and native code write to stderr while a model is opened, and what is logged."""
    lines: list[str] = []
    with _heard_log() as said, tempfile.TemporaryFile("w+", buffering=1, errors="replace") as caught:
        _stderr_lock.acquire()
        sys.stderr.flush()
        kept = (os.dup(2), sys.stderr)
        _kept.append(kept)
        os.dup2(caught.fileno(), 2)
        sys.stderr = caught  # where it is not descriptor 2, as in a notebook
        try:
            yield lambda: "; ".join(dict.fromkeys(filter(None, [_sentence(lines), said()])))
        finally:
            _give_back(kept)
            caught.seek(0)
            lines += caught.read().splitlines()


def _sentence(lines: list[str]) -> str:
    """Return the last line that tells of an error, else the last line."""
    said = [line.strip() for line in lines if line.strip()]
    errors = [line for line in said if "E " in line[:12] or "rror" in line]
    return (errors or said or [""])[-1].removeprefix("Exception: ").removeprefix("E ")


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
