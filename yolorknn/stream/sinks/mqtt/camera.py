"""What a camera's results are to a broker: counts, fps, a picture, and events."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from yolorknn.stream.clock import clock_is_synced
from yolorknn.stream.picture import picture_of
from yolorknn.stream.rate import Rate
from yolorknn.stream.result import Result
from yolorknn.stream.scene import EMPTY
from yolorknn.stream.sinks.mqtt.discovery import Component, camera_components, component_key, count_component
from yolorknn.stream.sinks.mqtt.topics import (
    Counts,
    Health,
    Topics,
    count,
    state_payload,
    status_payload,
    words_of,
)
from yolorknn.stream.sinks.mqtt.track_events import TrackEvents
from yolorknn.stream.sinks.seldom import moment
from yolorknn.stream.sinks.snapshots import jpeg
from yolorknn.tasks.classification import counted_classes
from yolorknn.text import dumps

if TYPE_CHECKING:
    from yolorknn.stream.sinks.mqtt.outbox import Outbox

Places = Callable[[Result[Any]], Sequence[Collection[str]]]
"""Which zones each object of a result is in."""

SILENT = 10.0
"""Seconds without a result after which a camera that nobody else watches counts as away."""
STATE_EVERY = 10.0
"""Seconds after which a state is published that changed in its fps only."""
MOST_COUNTS = 200
"""Entities for counts of one camera."""
QUALITY = 80


def known_places(result: Result[Any]) -> Sequence[Collection[str]]:
    """Return those that a step knows: see stream/step.py."""
    return result.scene.places


class CameraSink:
    """A sink for the results of one camera, whose write() only notes them; the board's thread publishes.

    Made by MqttBoard.camera().
    """

    def __init__(
        self,
        topics: Topics,
        outbox: Outbox,
        wake: Callable[[], None],
        *,
        camera: str,
        title: str,
        names: Mapping[int, str],
        zones: Sequence[str],
        places: Places,
        health: Callable[[], Health] | None,
        picture_every: float,
    ) -> None:
        """See MqttBoard.camera()."""
        self.camera, self._title, self._names = camera, title, names
        self._topics, self._own, self._outbox, self._wake = topics, topics.camera(camera), outbox, wake
        self._given, self._places, self._picture_every = tuple(zones), places, picture_every
        self._health = health or self._own_health
        self._words = words_of(names.values())
        self._there: tuple[tuple[str, ...], tuple[str, ...]] = (self._given, ())  # zones and lines
        self.former: set[str] = set()
        """Entities of an earlier run of which only the first result will say whether they are still to be."""
        self._lock, self._ticking = threading.Lock(), threading.Lock()
        self._latest: Result[Any] | None = None
        self._rate, self._last = Rate(), time.monotonic()
        self._tracks = TrackEvents(camera, names)
        self._closed, self.silent = False, SILENT  # see MqttSink
        self._said: tuple[Counts, bool, bool, str] | None = None
        self._state_at = self._picture_at = float("-inf")
        self._pictured: tuple[float, int] | None = None  # not the result, which would hold its picture for nothing
        self._always: dict[str, Component] = {
            component_key(camera, key): value for key, value in camera_components(topics, camera, title).items()
        }
        self.components = dict(self._always)

    def write(self, result: Result[Any]) -> None:
        with self._lock:
            self._latest = result
            self._last = time.monotonic()
            self._rate.add(self._last)
            self._events(self._tracks.update(result, self._zones_of(result), moment(result)))

    def close(self) -> None:
        """Say that it is away, and end its tracks; its entities stay."""
        with self._lock:
            self._closed = True
            self._events(self._tracks.finish())
        self._wake()

    def fit(self, *, names: Mapping[int, str], zones: Sequence[str], picture_every: float) -> None:
        """Go on with what is given now, from any thread; entities that there are as before stay untouched.

        A result whose classes are others must not come any more.
        """
        with self._ticking, self._lock:
            self._given, self._picture_every = tuple(zones), picture_every
            if names == self._names:
                return
            self._events(self._tracks.finish())
            self._names, self._words, self._latest = names, words_of(names.values()), None
            self._tracks = TrackEvents(self.camera, names)
            every = {**self._counted(), **self._always}
            self.components = {key: every[key] for key in self.components if key in every}

    def restore(self, keys: Iterable[str]) -> None:
        """Have entities again that an earlier run had, where their class and zone are still there.

        Lines, and zones that are drawn on the page, are known with the first result.
        """
        counted = self._counted()
        later = tuple(component_key(self.camera, kind) for kind in ("zone_", "line_"))
        for key in keys:
            if key in counted:
                self.components[key] = counted[key]
            elif key.startswith(later):
                self.former.add(key)

    def tick(self, now: float, *, connected: bool) -> None:
        """Put what changed into the outbox; called by the board's thread."""
        with self._ticking:
            self._tick(now, connected=connected)

    def _tick(self, now: float, *, connected: bool) -> None:
        health = self._health()
        with self._lock:
            latest = self._latest
            # Before the first result nothing is known of how many crossed: who hears 0 takes it for a number.
            online = health.online and latest is not None and not self._closed
            if latest is None or latest.clock != "video":
                self._events(self._tracks.passed(now))
        counts = self._count(latest, online=online)
        self._know(counts, first=latest is not None)
        said = (counts, online, bool(health.problem), health.problem)
        if said != self._said or now - self._state_at >= STATE_EVERY:
            self._said, self._state_at = said, now
            timestamp = latest.timestamp if latest is not None and latest.clock == "unix" else None
            payload = state_payload(counts, health, timestamp, clock_synced=clock_is_synced())
            self._outbox.put_state(self._own.state, payload)
            self._outbox.put_state(self._own.status, status_payload(online=online))
        due = connected and now - self._picture_at >= self._picture_every
        if due and latest is not None and (latest.timestamp, latest.index) != self._pictured:
            self._pictured, self._picture_at = (latest.timestamp, latest.index), now
            picture = picture_of(latest, self._names)
            self._outbox.put_state(self._own.image, jpeg(picture, quality=QUALITY))

    def _events(self, events: list[dict[str, Any]]) -> None:
        for event in events:
            self._outbox.put_event(self._own.events, dumps(event).encode("utf-8", "replace"))
        if events:
            self._wake()

    def _count(self, result: Result[Any] | None, *, online: bool) -> Counts:
        scene = EMPTY if result is None else result.scene
        if result is None or not online:  # what crossed has crossed; nothing is anywhere now
            counts = count((), (), (*self._given, *scene.zones))
            return replace(counts, entered=scene.entered, lines=scene.lines)
        ids = counted_classes(result.detections)
        # Those that the scene counts are left to it, as it knows of objects that are hidden for a moment.
        places = [[zone for zone in place if zone not in scene.zones] for place in self._places(result)]
        zones = [zone for zone in self._given if zone not in scene.zones]
        counts = count((self._names[number] for number in ids), places, zones)
        return replace(counts, zones={**counts.zones, **scene.zones}, entered=scene.entered, lines=scene.lines)

    def _zones_of(self, result: Result[Any]) -> Sequence[Collection[str]]:
        """Return the zones of objects for their events; what `places` raises, the board's thread tells."""
        try:
            return self._places(result)
        except Exception:
            return ()

    def _know(self, counts: Counts, *, first: bool) -> None:
        """Have an entity for each class that was seen, and for each in each zone, and none of a zone that is no more.

        Args:
            counts: of the newest result.
            first: whether there is one, so that zones and lines are known.
        """
        there = (tuple(counts.zones), tuple(counts.lines))
        if first and there != self._there:
            self._there = there
            every = {**self._counted(), **self._always}  # of a key that stays the zone may be another one
            self.components = {key: every[key] for key in self.components if key in every}
        if first and self.former:
            again, self.former = self.former, set()
            self.components |= {key: value for key, value in self._counted().items() if key in again}
        seen: set[tuple[str, ...]] = {("counts", name) for name in counts.classes}
        seen |= {("zones", zone, name) for zone, within in counts.zones.items() for name in within}
        seen |= {
            ("lines", line, way, name) for line, ways in counts.lines.items() for way in ways for name in ways[way]
        }
        for key, (title, path) in self._countable().items() if seen else ():
            whole = component_key(self.camera, key)
            if path in seen and whole not in self.components and len(self.components) < MOST_COUNTS:
                self.components[whole] = count_component(self._topics, self.camera, key, title, path)

    def _counted(self) -> dict[str, Component]:
        """Return the entities of all numbers that there may be."""
        return {
            component_key(self.camera, key): count_component(self._topics, self.camera, key, title, path)
            for key, (title, path) in self._countable().items()
        }

    def _countable(self) -> dict[str, tuple[str, tuple[str, ...]]]:
        """Return title and path in the state of all numbers that there may be, by key."""
        there, lines = self._there
        counts = [(f"count_{word}", f"{self._title} {name}", ("counts", name)) for name, word in self._words.items()]
        zones = [
            (f"zone_{place}_{word}", f"{self._title} {zone} {name}", ("zones", zone, name))
            for zone, place in words_of(there).items()
            for name, word in self._words.items()
        ]
        crossed = [
            (f"line_{place}_{way}_{word}", f"{self._title} {line} {way} {name}", ("lines", line, way, name))
            for line, place in words_of(lines).items()
            for way in ("in", "out")
            for name, word in self._words.items()
        ]
        found: dict[str, tuple[str, tuple[str, ...]]] = {}
        for key, title, path in [*counts, *zones, *crossed]:
            while key in found:  # as of zone a_b and class c, and of zone a and class b_c
                key += "_"  # noqa: PLW2901
            found[key] = (title, path)
        return found

    def _own_health(self) -> Health:
        with self._lock:
            now, last = time.monotonic(), self._last
        if now - last < self.silent or self._closed:
            return Health(self._rate.fps(now))
        return Health(0.0, online=False, problem=f"no picture for more than {self.silent:g} s")
