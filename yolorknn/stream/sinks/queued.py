"""A sink behind a bounded queue and a thread of its own, so that it can neither slow nor end detection."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Literal

import numpy as np

from yolorknn.errors import OutputError, YolorknnError
from yolorknn.stream.backoff import Backoff
from yolorknn.stream.result import Result, without_pixels
from yolorknn.stream.sinks.sink import Sink
from yolorknn.stream.sinks.sink_state import SinkState
from yolorknn.text import shown

Drop = Literal["none", "old", "new"]
"""What goes when the queue is full: nothing, as write() waits; the oldest result in it; or the one that comes."""

MOST_BYTES = 64 << 20
"""Of pictures and masks in a queue; one result may be larger."""
GATHERED = 8 << 20
"""See `gather`."""
QUIET = 60.0
"""Seconds in which a loss of the same kind is told once."""

_logger = logging.getLogger(__name__)


def any_result(_: Result[Any]) -> bool:
    """Want every result."""
    return True


class Queued:
    """Takes results for another sink, which writes them in a thread of its own.

    With drop "old" or "new", write() never waits and raises nothing of the sink's: what the queue has no room for is
    dropped and counted. An OutputError closes the sink, which is opened again after 1 s, then 2, up to 60; any other
    exception, as a function of the user's raises it, costs that result alone. With drop "none", for files, write()
    waits for room, and the next write() or close() raises what went wrong. A pipe that nobody reads any more ends the
    run, as it does without a queue.
    """

    def __init__(
        self,
        open_sink: Callable[[], Sink],
        *,
        name: str,
        drop: Drop = "old",
        most: int = 64,
        pixels: bool = True,
        wanted: Callable[[Result[Any]], bool] = any_result,
        now: bool = True,
        gather: float = 0.0,
        patience: float = 5.0,
        told: Callable[[str], None] = _logger.warning,
    ) -> None:
        """Open the sink, and begin its thread.

        Args:
            open_sink: opens it, and opens it again; what was written before stays.
            name: what it is called in sentences and in its state.
            drop: what goes when the queue is full.
            most: results in the queue; fewer where their pictures have more than MOST_BYTES.
            pixels: whether the sink looks at the frame; without, only its size is kept.
            wanted: which results are put into the queue at all; called by write(), so it must be quick.
            now: open it here, and raise what it raises; else in the thread, again and again.
            gather: seconds for which results wait for others, where there are less than GATHERED bytes of them: written
                one behind the other they take less of a CPU, which has code and data of the last at hand.
            patience: seconds that close() gives it to finish.
            told: is told what goes wrong, and when it is over.

        Raises:
            ValueError: no result would ever fit.
            OutputError: it cannot be opened, with `now`.
        """
        if most < 1:
            raise ValueError(f"a queue holds at least 1 result, not {most}")
        self.name = name
        self._open, self._drop, self._most, self._pixels = open_sink, drop, most, pixels
        self._wanted, self._gather, self._patience, self._told = wanted, gather, patience, told
        self._queue: deque[tuple[Result[Any], int]] = deque()
        self._closing = self._abandoned = self._gathering = False
        self._written = self._dropped = self._failed = self._held = 0  # results; of those in the queue, bytes
        self._error = ""
        self._broken: BaseException | None = None
        self._since = 0.0  # moment since which the sink is at one result
        self._late_told = self._failure_told = -QUIET  # moments
        self._said, self._again, self._backoff = False, 0.0, Backoff()  # said that it fails, not yet that it works
        self._sink: Sink | None = open_sink() if now else None
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._work, name=f"yolorknn-sink-{name}", daemon=True)
        self._thread.start()

    @property
    def state(self) -> SinkState:
        """How it does now."""
        with self._changed:
            busy = time.monotonic() - self._since if self._since else 0.0
            counts = (self._written, self._dropped, self._failed, len(self._queue))
            return SinkState(self.name, *counts, busy, self._error)

    def write(self, result: Result[Any]) -> None:
        if not self._wanted(result):
            return
        if not self._pixels:
            result = without_pixels(result)
        size = result.frame.nbytes if self._pixels else 0
        size += sum(array.nbytes for array in vars(result.detections).values() if isinstance(array, np.ndarray))
        late = False
        with self._changed:
            if self._drop == "none":
                self._changed.wait_for(lambda: self._broken or self._fits(size))
            if self._broken is not None:
                raise self._broken
            if self._drop == "old":
                while not self._fits(size):
                    self._held -= self._queue.popleft()[1]
                    self._dropped += 1
                    late = True
            if not self._fits(size):
                self._dropped += 1
                late = True
            else:
                self._queue.append((result, size))
                self._held += size
                if not self._gathering or self._is_enough():
                    self._changed.notify_all()
        if late and time.monotonic() - self._late_told >= QUIET:
            self._late_told = time.monotonic()
            self._told(f"{self.name} does not keep up: results are dropped, {self._dropped} so far")

    def close(self) -> None:
        """Have the sink finish what is in the queue, and close it; wait for that as long as `patience` says.

        Raises:
            OutputError: with drop "none", what it could not write.
        """
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join(self._patience)
        if self._thread.is_alive():
            with self._changed:
                self._abandoned = True
                self._give_up()
            self._told(f"{self.name} did not finish within {self._patience:g} s, and is left")
        if self._drop == "none" and self._broken is not None:
            broken, self._broken = self._broken, None
            raise broken

    def _give_up(self) -> None:
        self._dropped += len(self._queue)
        self._queue.clear()
        self._held = 0
        self._changed.notify_all()

    def _fits(self, size: int) -> bool:
        return not self._queue or (len(self._queue) < self._most and self._held + size <= MOST_BYTES)

    def _is_enough(self) -> bool:
        return self._held >= GATHERED or 2 * len(self._queue) >= self._most

    def _work(self) -> None:
        while (result := self._take()) is not None:
            try:
                self._give(result)
            except BaseException as exc:  # a function of the user's can raise anything
                self._refused(exc)
            else:
                self._took()
        self._close_sink()

    def _take(self) -> Result[Any] | None:
        with self._changed:
            self._since = 0.0
            if self._gather and not self._queue:
                self._gathering = True
                self._changed.wait_for(lambda: self._closing or self._is_enough(), self._gather)
            self._gathering = False
            self._changed.wait_for(lambda: self._closing or self._queue)
            if self._broken is not None:
                self._give_up()
            if not self._queue or self._abandoned:
                return None
            result, size = self._queue.popleft()
            self._held -= size
            self._since = time.monotonic()
            self._changed.notify_all()
            return result

    def _give(self, result: Result[Any]) -> None:
        if self._sink is None:
            if time.monotonic() < self._again:
                raise _AwayError
            self._sink = self._open()
        self._sink.write(result)

    def _took(self) -> None:
        with self._changed:
            self._written += 1
            was, self._error = self._error, ""
            self._backoff.reset()
        if was and self._said:
            self._said = False
            self._told(f"{self.name} works again: {self._failed} results were lost")

    def _refused(self, exc: BaseException) -> None:
        away = isinstance(exc, _AwayError)
        text = shown(exc) if isinstance(exc, YolorknnError) else f"{type(exc).__name__}: {shown(exc)}"
        with self._changed:
            self._failed += 1
            if not away:
                self._error = text
            if self._drop == "none" or isinstance(exc, BrokenPipeError):
                self._broken = exc
                self._changed.notify_all()
                return
        if isinstance(exc, OutputError) and not away:
            self._close_sink()
            self._sink = None
            self._again = time.monotonic() + self._backoff.wait()
        if not away and time.monotonic() - self._failure_told >= QUIET:
            self._failure_told, self._said = time.monotonic(), True
            self._told(f"{self.name}: {text}; results are lost until it works again")

    def _close_sink(self) -> None:
        if self._sink is None:
            return
        try:
            self._sink.close()
        except BaseException as exc:
            if not self._closing:
                return  # it failed already, which was told
            self._error = shown(exc)
            if self._drop == "none":
                self._broken = self._broken or exc
                return
            with contextlib.suppress(Exception):
                self._told(f"{self.name}: {shown(exc)}")


class _AwayError(OutputError):
    """The sink is to be opened again later."""
