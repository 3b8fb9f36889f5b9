"""The life of tracked objects as events: new, update, end; and what they do among zones and lines."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from yolorknn.stream.result import Result
from yolorknn.stream.scene import LineEvent, TrackEvent, ZoneEvent, event_record
from yolorknn.stream.sinks.mqtt.topics import VERSION
from yolorknn.tasks.detections import Detections

GONE = 2.0
"""Seconds without a sight after which a track has ended."""
SILENT = 60.0
"""The same where a tracker says itself when a track has ended: of a camera that gives nothing any more."""
UPDATED = 5.0
"""Seconds after which a track that goes on is told of, where nothing about it changes."""
MOST = 1000
"""Tracks at once; beyond, the one that was not seen for longest ends."""

Event = dict[str, Any]


class _Sight(NamedTuple):
    """An object in one result; rounded and named only where it is told of, which is seldom."""

    confidence: float
    xyxy: NDArray[np.float32]
    """(4,)."""
    frame: int
    timestamp: float
    clock: str
    width: int
    height: int

    def record(self) -> dict[str, Any]:
        """Return it as plain JSON values."""
        rounded = {
            "confidence": round(self.confidence, 4),
            "xyxy": [round(float(side), 2) for side in self.xyxy],
            "timestamp": round(self.timestamp, 3),
        }
        return {**self._asdict(), **rounded}


@dataclass
class _Track:
    """What is known of one."""

    number: int
    identity: str
    start: float
    name: str
    class_id: int
    seen: float  # moments of the caller's clock
    told: float
    sight: _Sight
    best: float = 0.0
    zones: list[str] = field(default_factory=list)
    entered: list[str] = field(default_factory=list)


class TrackEvents:
    """Turns results of a camera into events; what has no tracker gives none, and a new epoch ends what was before."""

    def __init__(self, camera: str, names: Mapping[int, str]) -> None:
        """Tell of `camera`; `names` are those of the classes."""
        self._camera, self._names = camera, names
        self._tracks: dict[int, _Track] = {}
        self._epoch = 0
        self._gone = GONE

    def update(self, result: Result[Any], places: Sequence[Collection[str]], now: float) -> list[Event]:
        """Return what a result changes, and what it tells of zones and lines, each as an event of its track.

        What is of the epoch before comes first.

        Args:
            result: one after another.
            places: the zones that each object is in, or empty.
            now: seconds of a clock that nobody sets.
        """
        before: dict[int, _Track] = {}
        if result.epoch != self._epoch:
            before, self._tracks, self._epoch = self._tracks, {}, result.epoch
        past, present = list[Event](), [*self._sights(result, places, now)]
        for event in result.events:
            number = event.tracker_id
            if event.type == "new" and number in before:  # given again
                past.append(self._end(before.pop(number)))
            tracks, told = (before, past) if number in before else (self._tracks, present)
            if not isinstance(event, TrackEvent):
                told.append(self._among(event, tracks.get(number), result))
                continue
            self._gone = SILENT
            if event.type == "end" and number in tracks:
                told.append(self._end(tracks.pop(number)))
        past += [self._end(track) for track in before.values()]
        while len(self._tracks) > MOST:
            oldest = min(self._tracks.values(), key=lambda track: track.seen)
            present.append(self._end(self._tracks.pop(oldest.number)))
        return [*past, *present, *self.passed(now)]

    def passed(self, now: float) -> list[Event]:
        """Return the ends of those that were not seen for some time; also where no result comes."""
        gone = [number for number, track in self._tracks.items() if now - track.seen > self._gone]
        return [self._end(self._tracks.pop(number)) for number in gone]

    def finish(self) -> list[Event]:
        """Return the ends of all."""
        ended, self._tracks = self._tracks, {}
        return [self._end(track) for track in ended.values()]

    def _sights(self, result: Result[Any], places: Sequence[Collection[str]], now: float) -> Iterator[Event]:
        found = result.detections
        if not isinstance(found, Detections) or found.tracker_id is None:
            return
        for index, number in enumerate(found.tracker_id.tolist()):
            if number >= 0:
                zones = sorted(places[index]) if index < len(places) else []
                yield from self._seen(number, result, index, zones, now)

    def _seen(self, number: int, result: Result[Any], index: int, zones: list[str], now: float) -> Iterator[Event]:
        found = result.detections
        class_id, confidence = int(found.class_id[index]), float(found.confidence[index])
        height, width = result.frame.shape[:2]
        sight = _Sight(confidence, found.xyxy[index], result.index, result.timestamp, result.clock, width, height)
        track = self._tracks.get(number)
        new = track is None
        if track is None:
            identity = f"{self._camera}-{round(result.timestamp * 1000)}-{number}"
            name = self._names[class_id]
            track = _Track(number, identity, result.timestamp, name, class_id, now, now, sight)
            self._tracks[number] = track
        fresh = [zone for zone in zones if zone not in track.entered]
        changed = zones != track.zones or class_id != track.class_id
        track.zones, track.class_id, track.name, track.seen = zones, class_id, self._names[class_id], now
        track.entered += fresh
        track.best = max(track.best, confidence)
        track.sight = sight
        if new or changed or now - track.told >= UPDATED:
            track.told = now
            yield self._event("new" if new else "update", track, None)

    def _end(self, track: _Track) -> Event:
        return self._event("end", track, round(track.sight.timestamp, 3))

    def _among(self, event: ZoneEvent | LineEvent, track: _Track | None, result: Result[Any]) -> Event:
        identity = {"id": track.identity if track else None, "camera": self._camera}
        return {"version": VERSION, **event_record(event, self._names), **identity, "clock": result.clock}

    def _event(self, kind: Literal["new", "update", "end"], track: _Track, end: float | None) -> Event:
        return {
            "version": VERSION,
            "type": kind,
            "id": track.identity,
            "camera": self._camera,
            "tracker_id": track.number,
            "class_id": track.class_id,
            "name": track.name,
            **track.sight.record(),
            "top_confidence": round(track.best, 4),
            "zones": list(track.zones),
            "entered_zones": list(track.entered),
            "start": round(track.start, 3),
            "end": end,
        }
