"""What is known of a frame from those before it: which object is where among zones and lines, and what happened."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Direction = Literal["in", "out"]
"""Across a line: in is to the left hand of who goes from its start to its end in the picture."""


@dataclass(frozen=True)
class TrackEvent:
    """The life of an object: its beginning, once in a while that it goes on, and its end."""

    type: Literal["new", "update", "end"]
    tracker_id: int
    class_id: int
    """As most of its sights say, each counted with its confidence."""
    timestamp: float
    """When it was, on the result's clock; of an end when the object was last seen."""
    seconds: float
    """For which it was known by then."""


@dataclass(frozen=True)
class ZoneEvent:
    """An object entered a zone, or left it."""

    type: Literal["entered", "left"]
    zone: str
    tracker_id: int
    class_id: int
    timestamp: float
    """When its anchor crossed the edge, on the result's clock; told later, once that has lasted."""
    seconds: float = 0.0
    """For which it was inside; 0 when it enters."""


@dataclass(frozen=True)
class LineEvent:
    """An object crossed a line."""

    direction: Direction
    line: str
    tracker_id: int
    class_id: int
    timestamp: float
    """When its anchor crossed it, on the result's clock; told later, once that has lasted."""
    type: Literal["crossed"] = "crossed"


Event = TrackEvent | ZoneEvent | LineEvent
Counts = Mapping[str, int]
"""Objects by the name of their class; none is 0."""


@dataclass(frozen=True)
class Outline:
    """A zone or line, to be drawn."""

    name: str
    points: tuple[tuple[float, float], ...]
    """x and y in shares of the picture."""
    closed: bool
    """Whether the last point leads to the first."""


@dataclass(frozen=True)
class Scene:
    """What the steps between detection and sinks know of a frame; by name of a zone or line."""

    events: tuple[Event, ...] = ()
    """That became known with this frame, in the order in which they did."""
    places: tuple[tuple[str, ...], ...] = ()
    """Of each object of the result, the zones that it is in; empty where there are no zones."""
    zones: Mapping[str, Counts] = field(default_factory=dict)
    """How many are in it now; with a tracker also those that are hidden for a moment."""
    entered: Mapping[str, Counts] = field(default_factory=dict)
    """How many entered it, since counting began."""
    lines: Mapping[str, Mapping[Direction, Counts]] = field(default_factory=dict)
    """How many crossed it, since counting began."""
    outlines: tuple[Outline, ...] = ()
    """The zones and lines."""


EMPTY = Scene()
"""Of a frame that no step looked at."""


def scene_record(scene: Scene, names: Mapping[int, str]) -> dict[str, Any]:
    """Return what a scene says beside its objects as plain JSON values; what is empty is left out."""
    counts = {
        "zones": {zone: dict(within) for zone, within in scene.zones.items()},
        "entered": {zone: dict(total) for zone, total in scene.entered.items()},
        "lines": {line: {way: dict(total) for way, total in ways.items()} for line, ways in scene.lines.items()},
    }
    events = [event_record(event, names) for event in scene.events]
    return {key: value for key, value in {"events": events, **counts}.items() if value}


def event_record(event: Event, names: Mapping[int, str]) -> dict[str, Any]:
    """Return an event as plain JSON values, its type first; seconds are rounded to thousandths."""
    values: dict[str, Any] = {"type": event.type}
    if isinstance(event, ZoneEvent):
        values["zone"] = event.zone
    elif isinstance(event, LineEvent):
        values |= {"line": event.line, "direction": event.direction}
    values |= {"tracker_id": event.tracker_id, "class_id": event.class_id, "name": names[event.class_id]}
    values["timestamp"] = round(event.timestamp, 3)
    if not isinstance(event, LineEvent):
        values["seconds"] = round(event.seconds, 3)
    return values
