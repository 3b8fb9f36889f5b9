"""What became of a source that comes back, since it began."""

from __future__ import annotations

import time
from collections import Counter

from yolorknn.errors import SourceError
from yolorknn.stream.rate import Rate
from yolorknn.stream.sources.source import Frame, LostError, Reason
from yolorknn.stream.sources.status import SourceStatus, State

BACK = "gives frames again"
"""What is said of a source that was lost and is not any more."""


class History:
    """Counts and times of a source; whoever has several threads holds a lock of its own around each call."""

    def __init__(self, source: str, camera: str, epoch: int = 0) -> None:
        self.state: State = "opening"
        self.frames: Counter[str] = Counter(read=0, dropped=0, corrupt=0, late=0, unwanted=0)
        self.jumps = 0
        self._source, self._camera = source, camera
        self._why = ""
        self._epoch, self._number = epoch, 0
        self._size: tuple[int, int] | None = None
        self._good: float | None = None
        self._away: float | None = None
        self._losses: Counter[Reason] = Counter()
        self._rate = Rate()

    def given(self, frame: Frame, *, first_of_connection: bool) -> tuple[Frame, str]:
        """Note a good frame; return it with what it is of, and the sentence to be told where the source was lost."""
        size = (frame.image.shape[0], frame.image.shape[1])
        if first_of_connection or size != self._size:
            self._epoch, self._size = self._epoch + 1, size
            self._rate.clear()
        self.frames["read"] += 1
        self._good = time.monotonic()
        self._rate.add(self._good)
        frame = frame._replace(source=self._source, camera=self._camera, epoch=self._epoch, number=self._number)
        self._number += 1
        self.state, self._why, back = "live", "", ""
        if self._away is not None:
            back = f"{self._source} {BACK}, after {self._good - self._away:.0f} s"
            self._away = None
        return frame, back

    def lost(self, exc: SourceError, state: State) -> tuple[Reason, str]:
        """Note that it is lost; return why, and the sentence to be told, empty where it was lost before."""
        reason: Reason = exc.reason if isinstance(exc, LostError) else "broken"
        self._losses[reason] += 1
        self.state, self._why = state, str(exc)
        if self._away is not None:
            return reason, ""
        self._away = time.monotonic()
        return reason, f"{exc}; it is tried again until it is back"

    def status(self) -> SourceStatus:
        """Return how it is."""
        now = time.monotonic()
        return SourceStatus(
            source=self._source,
            state=self.state,
            why=self._why,
            epoch=self._epoch,
            fps=self._rate.fps(now) if self.state == "live" else 0.0,
            size=self._size,
            age=None if self._good is None else now - self._good,
            losses=dict(self._losses),
            frames=dict(self.frames),
            jumps=self.jumps,
        )
