"""Tracking: the step that numbers objects, and says what they do among zones and lines."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from yolorknn.stream.result import Result
from yolorknn.stream.scene import EMPTY, Direction, Event, LineEvent, Scene, TrackEvent, ZoneEvent
from yolorknn.tasks.detections import Detections
from yolorknn.tracking.inertia import Change
from yolorknn.tracking.memory import Memory
from yolorknn.tracking.places import Places
from yolorknn.tracking.track import Passage, Sight, Stay, Track, moment_of
from yolorknn.tracking.tracker import Tracker, check_tracker
from yolorknn.tracking.zones import Line, Zone

_logger = logging.getLogger(__name__)
LOST = 2.0
"""Seconds without a sight after which an object that comes is another."""
UPDATED = 5.0
"""Seconds after which it is told of an object that it goes on."""
LEAST = 1e-4
"""Seconds between two frames at least, where their times are the same or go back."""


class Tracking:
    """A step for the results of one camera or video, of a model that finds objects.

    With a tracker each object has a number, `detections.tracker_id`, and enters and leaves zones and crosses lines
    once that has lasted, all in seconds; without, a zone counts the objects of each frame. Times are those of arrival
    (`Result.arrived`), of a video its own, so that no clock that is set changes anything.

    Each epoch has a tracker of its own. Numbers go on, and so do counts, also in a later run with the same `memory`.
    """

    def __init__(
        self,
        names: Mapping[int, str],
        *,
        zones: Sequence[Zone] = (),
        lines: Sequence[Line] = (),
        track: bool = True,
        lost: float = LOST,
        memory: Path | None = None,
        told: Callable[[str], None] = _logger.warning,
    ) -> None:
        """Begin.

        Args:
            names: class names by class id, of the model.
            zones: see place(), which changes them later.
            lines: the same.
            track: whether objects are numbered; without, there are no lines and no events.
            lost: seconds without a sight after which an object that comes is another.
            memory: a file in which counts and numbers outlive this run; None begins with number 1, and no counts.
            told: is told where that file cannot be read or written.

        Raises:
            MissingDependencyError: track, and the package is not installed.
            ValueError: see place(); or `lost` is not above 0, or above 1e6.
        """
        if not 0 < lost <= 1e6:
            raise ValueError(f"an object is lost after more than 0 s, and 1000000 s at most, not {lost:.15g}")
        if track:
            check_tracker()
        self._names, self._track, self._lost = names, track, lost
        self._memory = Memory(memory, told)
        self.place(zones, lines)
        self._places = self._next
        self._tracker: Tracker | None = None
        self._tracks: dict[int, Track] = {}
        self._ended: list[Event] = []  # of the epoch before
        self._now = self._offset = 0.0
        self.scene = EMPTY
        """Of the newest result."""

    def place(self, zones: Sequence[Zone], lines: Sequence[Line] = ()) -> None:
        """Have other zones and lines from the next frame on; from any thread. Those of a name keep their counts.

        Raises:
            ValueError: two have one name, a class is none of the model's, or there are lines without a tracker.
        """
        if lines and not self._track:
            raise ValueError(
                f"line '{lines[0].name}' needs a tracker: which object was where before is what crosses it"
            )
        self._next = Places(zones, lines, self._names)

    @property
    def zones(self) -> tuple[Zone, ...]:
        """Those that there are, or are to be from the next frame on."""
        return self._next.zones

    @property
    def lines(self) -> tuple[Line, ...]:
        """Those that there are, or are to be from the next frame on."""
        return self._next.lines

    def begin(self, epoch: int) -> None:
        """End all tracks, and begin with a new tracker."""
        self._end_all()
        self._tracker = Tracker(self._lost, self._memory.number) if self._track else None
        self._now = float("-inf")

    def apply(self, result: Result[Any]) -> Result[Any]:
        """Return the result with numbers, and the scene.

        Raises:
            TypeError: of a classifier, which says not where anything is.
        """
        found = result.detections
        if not isinstance(found, Detections):
            raise TypeError("tracking needs a model that finds objects, and this is a classifier")
        if self._track and self._tracker is None:
            self.begin(result.epoch)
        self._now = max(moment_of(result), self._now + LEAST)
        self._offset = result.timestamp - self._now
        height, width = result.frame.shape[:2]
        moved = [*self._moved()]
        self._places.fit((width, height))
        if self._tracker is None:
            self.scene = self._places.scene_of(found, self._names)
            return result.with_scene(found, self.scene)
        numbers = self._tracker.update(found, self._now)
        events = [*self._ended, *moved, *self._sights(found, numbers)]
        self._ended = []
        for number in self._tracks.keys() - self._tracker.alive:
            events += self._end(self._tracks.pop(number))
        self._memory.tick(time.monotonic())
        tracked = Detections(**{**found.arrays(), "tracker_id": numbers})
        self.scene = self._scene(numbers, tuple(events))
        return result.with_scene(tracked, self.scene)

    def finish(self, result: Result[Any]) -> Result[Any]:
        """Return the last result of a source that ended, in which all tracks end: who is beyond a line has crossed."""
        self.end()
        events, self._ended = (*self.scene.events, *self._ended), []
        self.scene = replace(self.scene, events=events)
        return result.with_scene(result.detections, self.scene)

    def end(self) -> None:
        """End all tracks, and count what that decides; the events are in the next result, if there is one."""
        if self._tracker is not None:
            self._end_all()
            self.scene = replace(self.scene, **self._memory.totals(self._places.zones, self._places.lines))

    def close(self) -> None:
        """Write the counts."""
        self._memory.close()

    def _end_all(self) -> None:
        self._ended += [event for track in self._tracks.values() for event in self._end(track)]
        self._tracks = {}

    def _moved(self) -> Iterator[Event]:
        """Take the zones and lines that are wanted; objects leave those that are not as they were."""
        gone = [zone.name for zone in self._places.zones if zone not in self._next.zones]
        gone += [line.name for line in self._places.lines if line not in self._next.lines]
        self._places = self._next
        for track in self._tracks.values() if gone else ():
            yield from self._leaves(track, gone)

    def _leaves(self, track: Track, names: Sequence[str]) -> Iterator[Event]:
        return (self._stayed(name, stay, track, change) for name, stay, change in track.leave(names, self._now))

    def _sights(self, found: Detections, numbers: NDArray[np.int64]) -> Iterator[Event]:
        arrays = (numbers, found.class_id, found.confidence, found.xyxy)
        for number, class_id, confidence, xyxy in zip(*(array.tolist() for array in arrays), strict=True):
            if number < 0:
                continue
            track = self._tracks.get(number)
            new = track is None
            if track is None:
                track = self._tracks[number] = Track(number, self._now)
            kind = track.vote(class_id, confidence)
            if not new and kind != track.class_id:
                yield from self._leaves(track, self._places.without(kind))
            track.class_id = kind
            before, track.sight = track.sight, Sight(self._now, xyxy)
            if new or self._now - track.told >= UPDATED:
                track.told = self._now
                yield self._life("new" if new else "update", track)
            yield from self._among(track, before, track.sight)

    def _among(self, track: Track, before: Sight | None, now: Sight) -> Iterator[Event]:
        """Say what a sight makes of zones and lines."""
        for zone, area in self._places.areas(track.class_id):
            stay = track.stays.setdefault(zone.name, Stay(zone))
            for change in stay.see(area, before, now):
                yield self._stayed(zone.name, stay, track, change)
        for line, border in self._places.borders(track.class_id):
            passage = track.passages.setdefault(line.name, Passage(line))
            for change in passage.see(border, before, now):
                yield from self._passed(line.name, track, change)

    def _end(self, track: Track) -> Iterator[Event]:
        assert track.sight is not None
        for name, passage in track.passages.items():
            for change in passage.finish():
                yield from self._passed(name, track, change)
        for name, stay in track.stays.items():
            for change in stay.finish(track.sight.moment):
                yield self._stayed(name, stay, track, change)
        yield self._life("end", track)

    def _life(self, kind: Any, track: Track) -> TrackEvent:
        assert track.sight is not None
        return TrackEvent(kind, track.number, track.class_id, track.sight.moment + self._offset, track.seconds)

    def _stayed(self, zone: str, stay: Stay, track: Track, change: Change) -> ZoneEvent:
        timestamp = change.moment + self._offset
        if change.to:
            stay.entered = change.moment
            self._memory.entering(zone, self._names[track.class_id])
            return ZoneEvent("entered", zone, track.number, track.class_id, timestamp)
        return ZoneEvent("left", zone, track.number, track.class_id, timestamp, change.moment - stay.entered)

    def _passed(self, line: str, track: Track, change: Change) -> Iterator[LineEvent]:
        if change.counts:
            direction: Direction = "in" if change.to else "out"
            self._memory.crossed(line, direction, self._names[track.class_id])
            yield LineEvent(direction, line, track.number, track.class_id, change.moment + self._offset)

    def _scene(self, numbers: NDArray[np.int64], events: tuple[Event, ...]) -> Scene:
        """Say where all are, copied, as counts go on."""
        zones = [zone.name for zone in self._places.zones]
        within = {
            number: tuple(zone for zone in zones if zone in track.stays and track.stays[zone].inside)
            for number, track in self._tracks.items()
        }
        counts: dict[str, Counter[str]] = {zone: Counter() for zone in zones}
        for number, inside in within.items():
            for zone in inside:
                counts[zone][self._names[self._tracks[number].class_id]] += 1
        return Scene(
            events,
            tuple(within.get(number, ()) for number in numbers.tolist()) if zones else (),
            counts,
            outlines=self._places.outlines,
            **self._memory.totals(self._places.zones, self._places.lines),
        )
