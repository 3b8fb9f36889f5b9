"""A session that outlives a failed inference and a hung core: the frame is tried again, the context replaced."""

from __future__ import annotations

import contextlib
import math
import os
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYet
from typing import Any

from yolorknn.errors import BackendError, CoreDeadError, CoreHungError, InferenceError
from yolorknn.runtime.context import Context, Outputs
from yolorknn.runtime.mark import Mark, Repeats, mark_of, same
from yolorknn.runtime.patience import Patience
from yolorknn.runtime.session import Arrays, GivesUp, Numbers, Session
from yolorknn.runtime.turns import SLICE_SECONDS, turn

MOST_HANGS = 3
"""Contexts in a row that may hang, or not open, before it is no loss of a frame any more but a broken core."""
GIVES_UP_AT = 0.9
"""Of the limit: when a runtime that can is to give up by itself, which leaves no thread behind."""


class RecoveringSession:
    """A session whose context is replaced when it fails.

    An inference that fails, or that returns the outputs of another frame, is run once more on a fresh context. One that
    does not return in time raises CoreHungError; its context is left to its thread, which releases it should it ever
    return, and the next inference gets a fresh one. A core whose contexts hang or do not open, MOST_HANGS in a row,
    raises CoreDeadError, from then on at once.
    """

    def __init__(
        self,
        open_context: Callable[[], Session],
        *,
        where: str,
        patience: Patience | None = None,
        abandon: Callable[[], None] = lambda: None,
        core: int | None = None,
    ) -> None:
        """Open the first context.

        Args:
            open_context: opens one, or raises BackendError; called in a thread of its own.
            where: the model and core, for messages.
            patience: when an inference counts as hung.
            abandon: called when open_context did not return in time and is left to its thread.
            core: on which its contexts are; None for one of its own.

        Raises:
            BackendError: open_context raised it, or did not return in time.
        """
        self.core = core
        self._open, self._where, self._patience = open_context, where, patience or Patience()
        self._abandon = abandon
        self._measured: deque[float] = deque(maxlen=32)
        self._repeats = Repeats()
        self._hangs = 0
        self._hurried = self._closed = False
        self._process = os.getpid()
        self._context: Context | None = self._fresh()
        first = self._context.opened.result()
        self.inputs, self.outputs = first.inputs, first.outputs

    def run(self, arrays: Arrays) -> Outputs:
        """Run the model; see Session.run.

        Raises:
            CoreDeadError: one context after the other hangs or does not open.
            CoreHungError: no answer in time, or no fresh context; the next inference tries for one.
            InferenceError: it failed twice, the second time on a fresh context.
        """
        if self._closed:
            raise InferenceError(f"{self._where} is closed")
        if self._process != os.getpid():  # threads are not copied: nothing would answer
            raise InferenceError(
                f"{self._where} was opened by the process that this one was forked from: open the model after the fork"
            )
        if self._hangs >= MOST_HANGS:
            raise self._lost("hung", "")
        self._hurried = False
        try:
            outputs = self._attempt(arrays)
        except InferenceError:
            if self._context is None:  # it hung
                raise
            outputs = None
        if outputs is None:
            self._drop()
        elif not self._repeats.doubts(self._mark(arrays, outputs)) or not self._refreshed():
            return outputs
        try:
            again = self._attempt(arrays)
        except CoreHungError:
            raise
        except InferenceError as exc:
            raise InferenceError(f"{exc} (a second time, on a fresh context: see 'yolorknn doctor')") from exc
        mark = self._mark(arrays, again)
        if outputs is None:
            self._repeats.doubts(mark)
        else:
            self._repeats.checked(mark, confirmed=same(outputs, again))
        return again

    def current(self) -> Session | None:
        """Return the context that is open, to ask it of itself while nothing runs; None after a hang."""
        return self._context.opened.result() if self._context is not None else None

    def hurry(self) -> None:
        """Have an inference, or opening, that is under way count as hung soon: after Patience.least more."""
        self._hurried = True

    def close(self) -> None:
        """Release the context, after the inference that is under way; a second call does nothing."""
        self._closed = True
        self._drop()

    def _fresh(self) -> Context:
        """Open a context in its thread; one core after the other, so that none waits for another's hang."""
        with turn(lambda: self._patience.least if self._hurried else math.inf) as mine:
            if not mine:
                raise BackendError(f"{self._where} was not opened, as another context was being opened")
            context = Context(self._open)
            start = time.monotonic()
            try:
                self._await(context.opened, self._patience.opening)
            except BaseException:  # Ctrl-C
                context.end()
                self._abandon()
                raise
            if not context.opened.done():
                context.end()
                self._abandon()
                waited = min(round(time.monotonic() - start, 1), self._patience.opening)
                raise BackendError(
                    f"{self._where}: the runtime did not open the model in {waited:g} s: restart the board, and see "
                    "'yolorknn doctor'"
                )
        context.opened.result()
        return context

    def _another(self) -> Context:
        """Open one that says what the first said: by that its numbers are read."""
        context = self._fresh()
        session = context.opened.result()
        if (session.inputs, session.outputs) != (self.inputs, self.outputs):
            context.end()
            raise BackendError(f"{self._where} has other inputs or outputs than when it was opened first")
        self._measured.clear()
        self._repeats.forget()
        return context

    def _lost(self, what: str, loss: str) -> CoreHungError:
        if self._hangs < MOST_HANGS:
            return CoreHungError(f"{self._where} {what}: {loss}")
        return CoreDeadError(
            f"{self._where} {what}; after {MOST_HANGS} such failures in a row it is taken out of use: restart the "
            "board, and see 'yolorknn doctor'"
        )

    def _attempt(self, arrays: Arrays) -> Outputs:
        if self._context is None:
            try:
                self._context = self._another()
            except BackendError as exc:
                self._hangs += not self._hurried
                raise self._lost(f"could not be opened again ({exc})", "the frame is lost") from exc
        limit = self._patience.seconds(self._measured)
        start = time.monotonic()
        session = self._context.opened.result()
        if isinstance(session, GivesUp):
            session.timeout = limit * GIVES_UP_AT
        answer = self._context.submit(arrays)
        hurried, waited = self._await(answer, limit)
        hung: CoreHungError | None = None
        try:
            outputs = answer.result() if answer.done() else None
        except CoreHungError as exc:  # the runtime itself gave up
            outputs, hung = None, exc
        if outputs is None:
            self._context.end()
            self._context = None
            self._hangs += not hurried
            raise self._lost(
                f"gave no answer in {time.monotonic() - start:.1f} s", "the frame is lost, the context replaced"
            ) from hung
        self._measured.append(min(time.monotonic() - start, waited))
        self._hangs = 0
        return outputs

    def _await(self, future: Future[Any], limit: float) -> tuple[bool, float]:
        """Wait for it, for `limit` seconds, or Patience.least from hurry() on.

        Unlike the vendor's calls, this lets Ctrl-C through. It waits in slices, so that a process that was stopped and
        goes on (SIGSTOP, a debugger, a container that is paused) leaves the core its time.

        Returns:
            Whether hurry() was called; and the most that the core may have taken, without such a stop.
        """
        waited, hurried = 0.0, False
        while not future.done() and waited < limit:
            part = min(limit - waited, SLICE_SECONDS)
            with contextlib.suppress(NotYet):
                future.exception(part)  # waits, and costs a third of concurrent.futures.wait
            waited += part
            if self._hurried and not hurried:
                limit, hurried = min(limit, waited + self._patience.least), True
        return hurried, waited

    def _mark(self, arrays: Arrays, outputs: Outputs) -> Mark | None:
        session = self.current()
        if isinstance(session, Numbers) and session.numbered:
            return None
        return mark_of(arrays, outputs)

    def _refreshed(self) -> bool:
        """Put a fresh context in the place of one that may be stuck; return whether there is one.

        What a fresh one has confirmed before costs no frame, nor a core, where none can be opened: the file may be
        another by now, or the memory used up.
        """
        if not self._repeats.believed:
            self._drop()
            return True
        try:
            fresh = self._another()
        except BackendError:
            self._repeats.put_off()
            return False
        self._drop()
        self._context = fresh
        return True

    def _drop(self) -> None:
        if self._context is not None:
            self._context.end()
            self._context.join(self._patience.least)
            self._context = None
