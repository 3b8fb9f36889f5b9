"""A session in a thread of its own, so that whoever waits for it can stop waiting."""

from __future__ import annotations

import queue
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeAlias

from numpy.typing import NDArray

from yolorknn.runtime.session import Arrays, Session

Outputs: TypeAlias = dict[str, NDArray[Any]]
_Jobs: TypeAlias = queue.SimpleQueue[tuple[Future[Outputs], Arrays] | None]


class Context:
    """A session and the thread that opens it, runs it, and closes it at the end; however long that hangs."""

    def __init__(self, open_session: Callable[[], Session]) -> None:
        self.opened: Future[Session] = Future()
        """The session, once it is open; or what opening it raised."""
        self._jobs: _Jobs = queue.SimpleQueue()
        # A daemon: an interpreter must be able to exit while a core hangs. It holds no reference to the context, so
        # that one that nobody closed ends too.
        self._thread = threading.Thread(
            target=_serve, args=(self._jobs, open_session, self.opened), name="yolorknn-npu", daemon=True
        )
        self.end = weakref.finalize(self, self._jobs.put, None)
        """Have the thread close the session when it is through with what it has."""
        self._thread.start()  # last, as Ctrl-C may come while it starts

    def submit(self, arrays: Arrays) -> Future[Outputs]:
        """Have the session run; see Session.run."""
        answer: Future[Outputs] = Future()
        self._jobs.put((answer, arrays))
        return answer

    def join(self, seconds: float) -> None:
        """Wait for the thread's end, which end() asked for, but not longer than that."""
        self._thread.join(seconds)


def _serve(jobs: _Jobs, open_session: Callable[[], Session], opened: Future[Session]) -> None:
    try:
        session = open_session()
    except BaseException as exc:  # raised again by result()
        opened.set_exception(exc)
        return
    opened.set_result(session)
    try:
        while (job := jobs.get()) is not None:
            answer, arrays = job
            try:
                answer.set_result(session.run(arrays))
            except BaseException as exc:  # raised again by result()
                answer.set_exception(exc)
            del job, answer, arrays  # an idle core keeps no frame alive
    finally:
        session.close()
