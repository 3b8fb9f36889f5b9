"""A backend in a thread of its own, so that whoever waits for it can stop waiting."""

from __future__ import annotations

import queue
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from yolorknn.runtime.backend import Backend

Outputs = list[NDArray[np.float32]]
_Jobs: TypeAlias = queue.SimpleQueue[tuple[Future[Outputs], NDArray[np.uint8]] | None]


class Context:
    """A backend and the thread that opens it, runs it, and closes it at the end; however long that hangs."""

    def __init__(self, open_context: Callable[[], Backend]) -> None:
        self.opened: Future[None] = Future()
        """Done when the backend is open; or holds what opening it raised."""
        self._jobs: _Jobs = queue.SimpleQueue()
        # A daemon: an interpreter must be able to exit while a core hangs. It holds no reference to the context, so
        # that one that nobody closed ends too.
        self._thread = threading.Thread(
            target=_serve, args=(self._jobs, open_context, self.opened), name="yolorknn-npu", daemon=True
        )
        self._thread.start()
        self.end = weakref.finalize(self, self._jobs.put, None)
        """Have the thread release the backend when it is through with what it has."""

    def submit(self, image: NDArray[np.uint8]) -> Future[Outputs]:
        """Have the backend infer; see Backend.infer."""
        answer: Future[Outputs] = Future()
        self._jobs.put((answer, image))
        return answer

    def join(self, seconds: float) -> None:
        """Wait for the thread's end, which end() asked for, but not longer than that."""
        self._thread.join(seconds)


def _serve(jobs: _Jobs, open_context: Callable[[], Backend], opened: Future[None]) -> None:
    try:
        backend = open_context()
    except BaseException as exc:  # raised again by result()
        opened.set_exception(exc)
        return
    opened.set_result(None)
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
