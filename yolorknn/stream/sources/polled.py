"""A camera that gives a picture for each request, as http://camera/snapshot.jpg: asked again and again."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable

from yolorknn.stream.sources.pace import Pace
from yolorknn.stream.sources.pyav import PyAvStream
from yolorknn.stream.sources.source import Frame, LostError, SilentError

EVERY = 1.0
"""Seconds between two requests at most, so that one that is not wanted is a sign of life; where more frames are wanted,
fewer."""


class Polled:
    """Pictures of one connection each; a connection with more than one is a stream, whose end is a loss.

    Args:
        ask: asks once.
        first: what was answered already.
        fps: the most frames a second that are wanted; None for one.
        patience: see PyAvStream.
    """

    live = True
    count: int | None = None

    def __init__(self, ask: Callable[[], PyAvStream], first: PyAvStream, *, fps: float | None, patience: float) -> None:
        self.name, self._ask, self._patience = first.name, ask, patience
        self._period = min(EVERY, 1 / fps) if fps else EVERY
        self.fps = 1 / self._period
        self._pace = Pace(fps)
        self._connection: PyAvStream | None = first
        self._given, self._due = 0, time.monotonic() + self._period
        self._unfit = Counter[str]()

    @property
    def unfit(self) -> Counter[str]:
        """Frames that were not given, by why."""
        return self._unfit + (self._connection.unfit if self._connection is not None else Counter())

    def read(self) -> Frame | None:
        last = time.monotonic() + self._patience
        while (frame := self._next(last)) is not None:
            if self._pace.due(frame.arrived):
                return frame
            self._unfit["unwanted"] += 1
        return None

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()

    def _next(self, last: float) -> Frame | None:
        """Return the next picture, of the connection that there is or of another one; None at a stream's end."""
        while True:
            connection = self._connection or self._asked(last)
            try:
                frame = connection.read()
            except SilentError:
                raise
            except LostError:
                if self._given != 1:
                    raise
                frame = None
            if frame is not None:
                self._given += 1
                return frame
            if self._given != 1:
                return None
            self._unfit += connection.unfit
            self._connection = None
            connection.close()

    def _asked(self, last: float) -> PyAvStream:
        time.sleep(max(0.0, min(self._due, last) - time.monotonic()))
        if self._due > last:
            raise SilentError(f"{self.name} is not asked yet", "silent")
        self._due = time.monotonic() + self._period
        self._connection, self._given = self._ask(), 0
        return self._connection
