"""Many sources as one: the newest frame of each, in fair shares of whoever takes them."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from yolorknn.stream.sources.returning import SLICE
from yolorknn.stream.sources.source import Frame
from yolorknn.stream.sources.status import SourceStatus

OLDEST = 5.0
"""Seconds after its arrival from which a live frame is not given any more."""

MOST_UNDER_WAY = 8
"""Frames of a camera of which no result has left yet: more than cores work at, unless one of them hangs."""


class Feed(Protocol):
    """A source with a thread of its own, which sets an event when there is something to take."""

    camera: str
    """Its name among several; its frames have it."""
    live: bool

    @property
    def ended(self) -> bool:
        """Whether no frame will come any more."""

    def take(self) -> Frame | None:
        """Return the next frame, None where there is none now; at once."""

    def watch(self) -> None:
        """Look after its thread."""

    def status(self) -> SourceStatus:
        """Return how it is; from any thread."""

    def stop(self) -> None:
        """Have its thread end soon; from any thread."""

    def close(self) -> None:
        """Stop, and wait for its thread."""


@dataclass
class _Share:
    feed: Feed
    weight: float
    waiting: Frame | None = None
    """Taken from the feed, to be given next."""
    begins: float = 0.0
    """Virtual time from which the waiting frame may be given: that of the share's last, or when it came to wait."""
    under_way: int = 0
    """Its frames that a worker took, and whose results have not left."""
    ends: float = 0.0
    """Virtual time until which what was given to this share counts."""


class FairSource:
    """Gives the frames of many feeds to one engine, each when a worker is about to be free.

    A feed gets its share by weight, whatever the others ask for: of those that have a frame, the one that had least in
    proportion is next (start-time fair queueing). One without a frame saves nothing up. A frame that waits for a worker
    is replaced by a newer one of its own feed, and only of that.

    Args:
        feeds: each with its weight, above 0.
        wake: the event that all of them set.
    """

    name, live, fps = "cameras", True, 0.0
    count: int | None = None

    def __init__(self, feeds: Sequence[tuple[Feed, float]], wake: threading.Event) -> None:
        self._shares = {feed.camera: _Share(feed, weight) for feed, weight in feeds}
        if len(self._shares) < len(feeds):
            raise ValueError("two cameras have one name")
        self._wake, self._stopped = wake, threading.Event()
        self._changing = threading.Lock()
        self._taken: deque[Frame] = deque()
        self._left: deque[Frame] = deque()
        self._offered: Frame | None = None
        self._now = 0.0
        self._looked = 0.0
        self.replaced: dict[str, int] = dict.fromkeys(self._shares, 0)
        """By camera: frames that a newer one of it replaced after they were taken from their feed."""

    def change(self, gone: Collection[str], begun: Sequence[tuple[Feed, float]]) -> list[Feed]:
        """Leave out feeds by name and take others, of which one may have the name of one that is gone.

        Returns:
            Those that are left out, to be closed.
        """
        with self._changing:
            left = [share.feed for name, share in self._shares.items() if name in gone]
            shares = {name: share for name, share in self._shares.items() if name not in gone}
            for feed, weight in begun:
                before = self._shares.get(feed.camera)
                under_way = before.under_way if before else 0
                shares[feed.camera] = _Share(feed, weight, begins=self._now, ends=self._now, under_way=under_way)
                self.replaced.setdefault(feed.camera, 0)
            self._shares = shares
        self._wake.set()
        return left

    def read(self) -> Frame | None:
        """Wait until a frame is due; None once all feeds are at their end, or it is stopped."""
        while not self._stopped.is_set():
            self._wake.clear()
            if (frame := self._next()) is not None:
                return frame
            if self._offered is None and all(share.feed.ended and share.waiting is None for share in self._all):
                return None
            self._wake.wait(SLICE)
            now = time.monotonic()
            if now - self._looked >= SLICE:
                self._looked = now
                for share in self._all:
                    share.feed.watch()
        return None

    def taken(self, frame: Frame) -> None:
        """Know that a worker has taken a frame, and that another may be given; from any thread."""
        self._taken.append(frame)
        self._wake.set()

    def left(self, frame: Frame) -> None:
        """Know that a frame's result has left; from any thread."""
        self._left.append(frame)
        share = self._shares.get(frame.camera)
        if share is not None and share.under_way >= MOST_UNDER_WAY:
            self._wake.set()

    def stop(self) -> None:
        """Have read() return None; from any thread."""
        self._stopped.set()
        for share in self._all:
            share.feed.stop()
        self._wake.set()

    def close(self) -> None:
        """Stop all feeds, then wait for them."""
        self.stop()
        for share in self._all:
            share.feed.close()

    @property
    def _all(self) -> Sequence[_Share]:
        return tuple(self._shares.values())

    def _next(self) -> Frame | None:
        while self._left:
            self._count(self._left.popleft(), -1)
        while self._taken:
            frame = self._taken.popleft()
            self._count(frame, 1)
            if self._offered is frame:
                self._offered = None
            else:  # a worker had it before the newer one came
                self.replaced[frame.camera] -= 1
        if self._offered is not None:  # none before a worker takes it, but a newer one of the same camera
            offering = self._shares.get(self._offered.camera)
            newer = offering.feed.take() if offering is not None and offering.feed.live else None
            if newer is not None:
                self.replaced[newer.camera] += 1
                self._offered = newer
            return newer
        for share in self._all:
            self._look(share)
        ready = [share for share in self._all if share.waiting is not None and share.under_way < MOST_UNDER_WAY]
        if not ready:
            return None
        share = min(ready, key=lambda share: (share.begins, share.ends))
        self._now = share.begins
        share.ends = share.begins + 1 / share.weight
        self._offered, share.waiting = share.waiting, None
        return self._offered

    def _count(self, frame: Frame, more: int) -> None:
        """Count a frame that is under way, or is not any more, where its feed is still there."""
        with self._changing:
            if share := self._shares.get(frame.camera):
                share.under_way += more

    def _look(self, share: _Share) -> None:
        """Have the share's newest frame wait, if there is one, and leave out one that has waited for too long."""
        if share.waiting is None or share.feed.live:
            newer = share.feed.take()
            if newer is not None:
                if share.waiting is None:
                    share.begins = max(self._now, share.ends)
                else:
                    self.replaced[newer.camera] += 1
                share.waiting = newer
        frame = share.waiting
        if frame is not None and share.feed.live and time.monotonic() - frame.arrived > OLDEST:
            self.replaced[frame.camera] += 1
            share.waiting = None
