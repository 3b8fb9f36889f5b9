"""Hub: the newest result of every camera, for as many as look, encoded once and off the detection's thread."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from yolorknn.serve.feed import Feed
from yolorknn.serve.measures import Histogram
from yolorknn.serve.shots import Look, Shot, make_shot, record_bytes
from yolorknn.serve.viewers import Listener, Viewer
from yolorknn.stream.result import Result, Timings, without_pixels
from yolorknn.tasks.task import Wording

FPS = 15.0
"""Pictures of a camera that are encoded in a second, at most."""
LONGEST = 1280
"""Pixels of a picture's longer side, at most."""
QUALITY = 80
MOST_PENDING = 256
"""Results that wait to become records."""
MOST_EVENTS = 200

Given = TypeVar("Given")

_logger = logging.getLogger(__name__)


class Hub:
    """A sink that keeps each camera's newest result, and has it seen. Threads may share it.

    write() notes the result and returns. A thread of the hub's own makes the record and the JPEG of a result when
    somebody waits for one: each at most once, whoever looks. It works at most half of the time, and encodes no more
    than FPS pictures of a camera in a second. Masks are polygons in its records.

    Args:
        wordings: how results are said, by camera: whose results are taken.
    """

    def __init__(self, wordings: Mapping[str, Wording]) -> None:
        self._feeds: dict[str, Feed] = {}
        self._number = 0
        self.fit(wordings)
        self._changed = threading.Condition()
        self._viewers: set[Viewer] = set()
        self._listeners: set[Listener] = set()
        self._pending: deque[tuple[Feed, Result[Any]]] = deque(maxlen=MOST_PENDING)
        self._shots: dict[Look, Shot] = {}
        self._due: dict[Look, float] = {}
        self._rest = 0.0
        self._looks_at = 0.0  # moment until which its thread waits, where it does
        self._closed = False
        self.stages = tuple(Histogram() for _ in Timings._fields)
        """Of all cameras, in the order of Timings."""
        self.events: deque[dict[str, Any]] = deque(maxlen=MOST_EVENTS)
        """What happened, the newest last: time in Unix seconds, text, and camera, where it is of one."""
        self.encoded = 0
        """Pictures so far."""
        self.dropped = 0
        """Records that a listener did not take in time."""
        self._thread = threading.Thread(target=self._work, name="yolorknn-hub", daemon=True)
        self._thread.start()

    @property
    def cameras(self) -> Mapping[str, Feed]:
        """What is known of each, in their order."""
        return self._feeds

    def fit(self, wordings: Mapping[str, Wording]) -> None:
        """Take the results of these cameras from now on; see Hub."""
        said = {camera: replace(wording, masks="polygons") for camera, wording in wordings.items()}
        feeds = self._feeds
        same = {camera for camera, wording in said.items() if camera in feeds and feeds[camera].wording == wording}
        self._feeds = {camera: feeds[camera] if camera in same else Feed(wording) for camera, wording in said.items()}

    def write(self, result: Result[Any]) -> None:
        """Take a result; one of a camera that is not among these is not kept."""
        feed = self._feeds.get(result.camera)
        if feed is None:
            return
        for stage, seconds in zip(self.stages, result.timings, strict=True):
            stage.add(seconds)
        for event in result.events:
            if text := feed.in_words(event):
                self.events.append({"time": round(event.timestamp, 3), "camera": result.camera, "text": text})
        if result.arrived:
            feed.latency.add(time.monotonic() - result.arrived)
        with self._changed:
            feed.newest = result
            self._number += 1
            feed.number = self._number
            if any(listener.wants(result.camera) for listener in self._listeners):
                if len(self._pending) == MOST_PENDING:
                    self._pass_over(self._pending[0][1].camera)
                self._pending.append((feed, without_pixels(result)))
            if self._pending or any(self._is_sooner(viewer, result.camera) for viewer in self._viewers):
                self._changed.notify_all()

    def _pass_over(self, camera: str) -> None:
        self.dropped += 1
        for listener in self._listeners:
            listener.passed_over += listener.wants(camera)

    def close(self) -> None:
        """End its thread, and every viewer and listener; a second call does nothing."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            woken = [who.wake for who in self._viewers] + [who.wake for who in self._listeners]
        for wake in woken:
            wake()
        self._thread.join()

    @property
    def closed(self) -> bool:
        """Whether nothing comes any more."""
        return self._closed

    def tell(self, text: str) -> None:
        """Keep a sentence among the events; what a Watcher's `told` may be."""
        self.events.append({"time": round(time.time(), 3), "text": text})

    def record(self, camera: str) -> bytes | None:
        """Return the JSON of the newest result's record; None where there is none."""
        feed = self._feeds.get(camera)
        newest = feed.newest if feed is not None else None
        return None if feed is None or newest is None else record_bytes(newest, feed.wording)

    def enter(self, viewer: Viewer) -> None:
        """Have a viewer see from now on: nothing that is older than the newest result."""
        with self._changed:
            for look in viewer.looks:
                shot = self._shots.get(look)
                feed = self._feeds.get(look.camera)
                newest = shot is not None and feed is not None and shot.number == feed.number
                viewer.seen[look] = 0 if shot is None or newest else shot.number
            self._viewers.add(viewer)

    def leave(self, who: Viewer | Listener) -> None:
        """Forget a viewer or listener."""
        with self._changed:
            self._viewers.discard(who)
            self._listeners.discard(who)
            if not self._viewers:
                self._shots.clear()

    def listen(self, listener: Listener) -> None:
        """Have a listener told of every result from now on."""
        with self._changed:
            self._listeners.add(listener)

    def take(self, viewer: Viewer) -> list[Shot]:
        """Return what is newer than what a viewer has seen; where there is nothing, it waits from now on."""
        with self._changed:
            shots = []
            for look in viewer.looks:
                shot = self._shots.get(look)
                if shot is not None and shot.number > viewer.seen[look]:
                    viewer.seen[look] = shot.number
                    shots.append(shot)
            viewer.waits = not shots
            if self._is_sooner(viewer):
                self._changed.notify_all()
            return shots

    def _is_wanted(self, viewer: Viewer, look: Look) -> bool:
        """Return whether a viewer waits for a picture, of which there is a result that it has not seen."""
        return viewer.waits and look.camera in self._feeds and self._feeds[look.camera].number > viewer.seen[look]

    def _is_sooner(self, viewer: Viewer, camera: str | None = None) -> bool:
        """Return whether what a viewer wants, of a camera or any, is due before the thread looks by itself."""
        return viewer.waits and any(
            max(self._rest, self._due.get(look, 0.0)) < self._looks_at and self._is_wanted(viewer, look)
            for look in viewer.looks
            if camera in (None, look.camera)
        )

    def _wanted(self, now: float) -> tuple[Look | None, float]:
        """Return what is to be encoded now, or how long to wait until something may be."""
        due = {look: self._due.get(look, 0.0) for viewer in self._viewers for look in viewer.looks}
        wanted = {look for viewer in self._viewers for look in viewer.looks if self._is_wanted(viewer, look)}
        if not wanted:
            return None, min((moment - now for moment in due.values() if moment > now), default=3600.0)
        look = min(wanted, key=due.__getitem__)
        wait = max(due[look], self._rest) - now
        return (look, 0.0) if wait <= 0 else (None, wait)

    def _work(self) -> None:
        while True:
            with self._changed:
                look, seconds = self._wanted(time.monotonic())
                if not self._closed and not self._pending and look is None:
                    self._looks_at = time.monotonic() + seconds
                    self._changed.wait(seconds)
                    self._looks_at = 0.0
                    continue
                if self._closed:
                    return
                pending = list(self._pending)
                self._pending.clear()
            begun = time.monotonic()
            self._safely(self._tell_listeners, pending)
            if look is not None:
                self._safely(self._encode, look)
                now = time.monotonic()
                self._rest = now + (now - begun)
                self._due[look] = max(self._due.get(look, 0.0) + 1 / FPS, begun + 0.5 / FPS)

    def _encode(self, look: Look) -> None:
        with self._changed:
            feed = self._feeds.get(look.camera)
            if feed is None or feed.newest is None:
                return
            newest, number = feed.newest, feed.number
        shot = make_shot(look, number, newest, feed.wording, longest=LONGEST, quality=QUALITY)
        self.encoded += 1
        with self._changed:
            self._shots[look] = shot
            woken = [viewer for viewer in self._viewers if viewer.waits and look in viewer.seen]
            for viewer in woken:
                viewer.waits = False
        for viewer in woken:
            viewer.wake()

    def _tell_listeners(self, pending: list[tuple[Feed, Result[Any]]]) -> None:
        with self._changed:
            listeners = tuple(self._listeners)
        for feed, result in pending:  # said in the words that it was found in
            said = record_bytes(result, feed.wording)
            for listener in listeners:
                if listener.wants(result.camera):
                    self.dropped += listener.offer(said)

    def _safely(self, work: Callable[[Given], None], given: Given) -> None:
        """Have one result that cannot be shown end nothing; it is logged."""
        try:
            work(given)
        except Exception:
            _logger.exception("a result cannot be shown")
            time.sleep(0.1)
