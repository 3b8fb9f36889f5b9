"""Topics and payloads: what is said to a broker, apart from how it gets there. docs/mqtt.md documents them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from yolorknn.stream.scene import Direction
from yolorknn.text import dumps

VERSION = 1
"""Of the payloads; it grows when a key gets another meaning or goes, not when one is added."""
ONLINE, OFFLINE = b"online", b"offline"


@dataclass(frozen=True)
class CameraTopics:
    """The topics of one camera."""

    base: str

    @property
    def status(self) -> str:
        """Online or offline; retained."""
        return f"{self.base}/status"

    @property
    def state(self) -> str:
        """See state_payload(); retained."""
        return f"{self.base}/state"

    @property
    def image(self) -> str:
        """A JPEG; retained."""
        return f"{self.base}/image"

    @property
    def events(self) -> str:
        """See track_events.py; not retained."""
        return f"{self.base}/events"

    @property
    def retained(self) -> tuple[str, ...]:
        """Those that a broker keeps."""
        return (self.status, self.state, self.image)


@dataclass(frozen=True)
class Topics:
    """The topics of one board."""

    prefix: str
    board: str
    discovery: str = "homeassistant"
    """Under which Home Assistant looks for devices; empty for no discovery."""

    @property
    def base(self) -> str:
        """What all but discovery are below."""
        return f"{self.prefix}/{self.board}"

    @property
    def status(self) -> str:
        """Online or offline; retained, and the last will."""
        return f"{self.base}/status"

    @property
    def session(self) -> str:
        """Which run is connected, while one is; retained. See session.py."""
        return f"{self.base}/session"

    @property
    def config(self) -> str:
        """The device discovery message; retained."""
        return f"{self.discovery}/device/{self.board}/config" if self.discovery else ""

    @property
    def birth(self) -> str:
        """Where Home Assistant says online when it begins."""
        return f"{self.discovery}/status" if self.discovery else ""

    def camera(self, camera: str) -> CameraTopics:
        """Return those of a camera."""
        return CameraTopics(f"{self.base}/{camera}")


@dataclass(frozen=True)
class Health:
    """How a camera does."""

    fps: float
    """Frames that were detected on, a second."""
    online: bool = True
    """Whether what it last showed is still so."""
    problem: str = ""
    """What is wrong with it, in a sentence; empty for nothing."""


@dataclass(frozen=True)
class Counts:
    """How many objects of each class there are."""

    classes: Mapping[str, int]
    zones: Mapping[str, Mapping[str, int]]
    """By zone, those in it."""
    entered: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """By zone, those that entered it since counting began."""
    lines: Mapping[str, Mapping[Direction, Mapping[str, int]]] = field(default_factory=dict)
    """By line and direction, those that crossed it since counting began."""


def count(names: Iterable[str], places: Sequence[Collection[str]], zones: Iterable[str]) -> Counts:
    """Count objects.

    Args:
        names: of the class of each object.
        places: the zones that each is in, or empty.
        zones: that there are, for those without an object.
    """
    listed = list(names)
    within: dict[str, Counter[str]] = {zone: Counter() for zone in zones}
    for name, place in zip(listed, places, strict=False):
        for zone in place:
            within.setdefault(zone, Counter())[name] += 1
    return Counts(Counter(listed), within)


def state_payload(
    counts: Counts, health: Health, timestamp: float | None, *, clock_synced: bool | None = None
) -> bytes:
    """Return a camera's state as JSON.

    Args:
        counts: what is in the newest frame.
        health: how the camera does.
        timestamp: Unix time of that frame; None where there is none yet.
        clock_synced: whether the clock that says it follows a time server; None where that is not known.
    """
    values: dict[str, Any] = {
        "version": VERSION,
        "timestamp": None if timestamp is None else round(timestamp, 3),
        "clock_synced": clock_synced,
        "fps": round(health.fps, 1),
        "problem": bool(health.problem),
        "detail": health.problem,
        "objects": sum(counts.classes.values()),
        "counts": dict(sorted(counts.classes.items())),
        "zones": {zone: dict(sorted(within.items())) for zone, within in sorted(counts.zones.items())},
    }
    if counts.entered:
        values["entered"] = {zone: dict(sorted(total.items())) for zone, total in sorted(counts.entered.items())}
    if counts.lines:
        values["lines"] = {
            line: {way: dict(sorted(total.items())) for way, total in ways.items()}
            for line, ways in sorted(counts.lines.items())
        }
    return dumps(values).encode("utf-8", "replace")


def status_payload(*, online: bool) -> bytes:
    """Return what a status topic says."""
    return ONLINE if online else OFFLINE


def word_of(text: str) -> str:
    """Return a text as a word for topics and ids; what has none of their letters is 'unnamed'."""
    return re.sub(r"[^a-zA-Z0-9_-]+", "_", text)[:64].strip("_-") or "unnamed"


def words_of(texts: Iterable[str]) -> dict[str, str]:
    """Return a word for each text, no two the same: later ones get a number."""
    words: dict[str, str] = {}
    for text in dict.fromkeys(texts):
        word, number = word_of(text).lower(), 2
        while (numbered := word if number == 2 else f"{word}_{number - 1}") in words.values():
            number += 1
        words[text] = numbered
    return words
