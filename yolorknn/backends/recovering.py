"""A backend that outlives a failed inference and a hung core: the frame is tried again, the context replaced."""

from __future__ import annotations

import queue
import threading
import time
import weakref
import zlib
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, wait
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from yolorknn.backends import Backend
from yolorknn.errors import CoreHungError, InferenceError

Outputs = list[NDArray[np.float32]]

MOST_HANGS = 3
"""Contexts in a row that may hang before it is no loss of a frame any more but a broken core."""


@dataclass(frozen=True)
class Patience:
    """How long an inference may take, in seconds, before its core counts as hung."""

    first: float = 30.0
    """For a context's first inference: nothing is measured yet, and the driver may still be resetting the core."""
    factor: float = 20.0
    """Later: that many times the slowest of the last 32. A throttled or busy board is slower by a few times."""
    least: float = 2.0
    """But never less: an image a second apart may find the board swapping."""

    def seconds(self, measured: deque[float]) -> float:
        """Return the limit after inferences that took `measured` seconds."""
        return max(self.least, self.factor * max(measured)) if measured else self.first


class RecoveringBackend:
    """A backend whose context is replaced when it fails.

    An inference that fails, or that returns the outputs of another frame, is run once more on a fresh context. One that
    does not return in time raises CoreHungError; its context is left to its thread, which releases it should it ever
    return, and the next inference gets a fresh one.
    """

    def __init__(self, open_context: Callable[[], Backend], *, where: str, patience: Patience | None = None) -> None:
        """Open the first context.

        Args:
            open_context: opens one, or raises BackendError.
            where: the model and core, for messages.
            patience: when an inference counts as hung.
        """
        self._open, self._where, self._patience = open_context, where, patience or Patience()
        self._measured: deque[float] = deque(maxlen=32)
        self._last: tuple[int, Outputs] | None = None
        """Checksum of the last image (whose buffer is the caller's, to use again) and what it gave."""
        self._suspects = True
        self._hangs = 0
        self._closed = False
        self._context: _Context | None = _Context(open_context())

    def infer(self, image: NDArray[np.uint8]) -> Outputs:
        """Run the model; see Backend.infer.

        Raises:
            CoreHungError: no answer in time; the next inference runs on a fresh context.
            InferenceError: it failed twice, the second time on a fresh context; or one context after the other hangs.
            BackendError: no fresh context could be opened.
        """
        if self._closed:
            raise InferenceError(f"{self._where} is closed")
        try:
            outputs = self._attempt(image)
            if not self._is_stale(image, outputs):
                self._last = (_checksum(image), outputs)
                return outputs
        except InferenceError:
            if self._context is None:  # it hung
                raise
            outputs = None
        self._drop()
        try:
            again = self._attempt(image)
        except CoreHungError:
            raise
        except InferenceError as exc:
            raise InferenceError(f"{exc} (a second time, on a fresh context: see 'yolorknn doctor')") from exc
        if outputs is not None and _same(outputs, again):
            self._suspects = False  # the model does answer different images alike
        self._last = (_checksum(image), again)
        return again

    def close(self) -> None:
        """Release the context, after the inference that is under way; a second call does nothing."""
        self._closed = True
        self._drop()

    def _attempt(self, image: NDArray[np.uint8]) -> Outputs:
        if self._context is None:
            self._measured.clear()
            self._last = None
            self._context = _Context(self._open())
        limit = self._patience.seconds(self._measured)
        start = time.monotonic()
        answer = self._context.submit(image)
        # Unlike the vendor's call, this lets Ctrl-C through. In halves, so that a process that was stopped and goes on
        # (SIGSTOP, a debugger) leaves the core its time.
        for _ in range(2):
            wait([answer], limit / 2)
        if not answer.done():
            self._context.end()
            self._context = None
            self._hangs += 1
            if self._hangs >= MOST_HANGS:
                raise InferenceError(
                    f"{self._where} hung in {self._hangs} contexts one after the other: restart the board, "
                    "and see 'yolorknn doctor'"
                )
            raise CoreHungError(
                f"{self._where} gave no answer in {limit:.1f} s: the frame is lost, the context replaced"
            )
        outputs = answer.result()
        self._measured.append(time.monotonic() - start)
        self._hangs = 0
        return outputs

    def _is_stale(self, image: NDArray[np.uint8], outputs: Outputs) -> bool:
        """Tell whether these are the outputs of the frame before.

        The vendor's wheel does not look at the code of rknn_run: when that fails it may hand out what it finds.
        """
        if self._last is None or not self._suspects:
            return False
        before, known = self._last
        return _same(outputs, known) and _checksum(image) != before

    def _drop(self) -> None:
        if self._context is not None:
            self._context.end()
            self._context.join(self._patience.seconds(self._measured))
            self._context = None


_Jobs: TypeAlias = queue.SimpleQueue[tuple[Future[Outputs], NDArray[np.uint8]] | None]


class _Context:
    """A backend and the thread that runs it, so that whoever waits for it can stop waiting."""

    def __init__(self, backend: Backend) -> None:
        self._jobs: _Jobs = queue.SimpleQueue()
        # A daemon: an interpreter must be able to exit while a core hangs. It holds no reference to the context, so
        # that one that nobody closed ends too.
        self._thread = threading.Thread(target=_serve, args=(self._jobs, backend), name="yolorknn-npu", daemon=True)
        self._thread.start()
        self.end = weakref.finalize(self, self._jobs.put, None)
        """Have the thread release the backend when it is through with what it has."""

    def submit(self, image: NDArray[np.uint8]) -> Future[Outputs]:
        answer: Future[Outputs] = Future()
        self._jobs.put((answer, image))
        return answer

    def join(self, seconds: float) -> None:
        self._thread.join(seconds)


def _serve(jobs: _Jobs, backend: Backend) -> None:
    try:
        while (job := jobs.get()) is not None:
            answer, image = job
            try:
                answer.set_result(backend.infer(image))
            except BaseException as exc:  # raised again by result()
                answer.set_exception(exc)
            del job, answer, image  # an idle core keeps no frame alive
    finally:
        backend.close()


def _checksum(image: NDArray[np.uint8]) -> int:
    """Return a checksum of every sixteenth row: different frames differ there too, and it is done for each."""
    return zlib.adler32(np.ascontiguousarray(image[::16]).data)


def _same(one: Outputs, other: Outputs) -> bool:
    """Compare every 61st number before all of them: outputs of two images differ nearly everywhere."""
    return all(np.array_equal(a.ravel()[::61], b.ravel()[::61]) for a, b in zip(one, other, strict=True)) and all(
        np.array_equal(a, b) for a, b in zip(one, other, strict=True)
    )
