"""One object, as long as it is known: where it was, and what of zones and lines that makes it in or across."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from typing import Any, NamedTuple

from yolorknn.stream.result import Result
from yolorknn.tracking.geometry import Area, Border, anchor_of
from yolorknn.tracking.inertia import Change, Inertia
from yolorknn.tracking.zones import Anchor, Line, Point, Zone

MARGIN = 0.05
"""Of a box's size: what is nearer to a line is on the side on which it was, as boxes tremble by so much."""


def moment_of(result: Result[Any]) -> float:
    """Return when a frame was, in seconds of a clock that nobody sets."""
    return result.timestamp if result.clock == "video" else result.arrived or time.monotonic()


class Sight(NamedTuple):
    """An object in one frame."""

    moment: float
    xyxy: Sequence[float]
    """Its box: x1, y1, x2, y2."""

    def at(self, anchor: Anchor) -> Point:
        """Return its anchor."""
        return anchor_of(self.xyxy, anchor)

    @property
    def size(self) -> float:
        """Side of a square of the same area, in pixels."""
        x1, y1, x2, y2 = self.xyxy
        return math.sqrt(max(0.0, x2 - x1) * max(0.0, y2 - y1))


class Stay:
    """Whether an object is in a zone."""

    def __init__(self, zone: Zone) -> None:
        self._anchor = zone.anchor
        self._inertia = Inertia(settled=False, rise=zone.enter_after, fall=zone.leave_after)
        self.entered = 0.0
        """Moment at which it did."""

    @property
    def inside(self) -> bool:
        """Whether it is, for as long as the zone asks for."""
        return self._inertia.settled

    def see(self, area: Area, before: Sight | None, now: Sight) -> list[Change]:
        """Return what of it lasted: that it entered, that it left."""
        place = now.at(self._anchor)
        inside, moment = area.has(*place), now.moment
        if inside != self._inertia.seen and before is not None:
            share = area.crossed(before.at(self._anchor), place)
            moment = before.moment + share * (now.moment - before.moment)
        return self._inertia.see(inside, Change(inside, moment, True), now.moment)

    def finish(self, moment: float) -> list[Change]:
        """Return that it left, where it was inside until it was seen last."""
        if not self.inside:
            return []
        pending = self._inertia.pending
        return [Change(False, moment if pending is None else pending.moment, True)]


class Passage:
    """On which side of a line an object is."""

    def __init__(self, line: Line) -> None:
        self._anchor, self._settle = line.anchor, line.settle
        self._inertia: Inertia | None = None
        self._flip: Change | None = None  # when its anchor last changed sides, near or not

    def see(self, border: Border, before: Sight | None, now: Sight) -> list[Change]:
        """Return what of it lasted: that it went in, that it went out; also beyond the line's ends."""
        place = now.at(self._anchor)
        inwards = border.inwards(*place)
        if before is not None:
            came = before.at(self._anchor)
            if (border.inwards(*came) > 0) != (inwards > 0):
                share, within = border.crossed(came, place)
                self._flip = Change(inwards > 0, before.moment + share * (now.moment - before.moment), within)
        near, side = abs(inwards) <= MARGIN * now.size, inwards > 0
        if self._inertia is None:
            if near:
                return []
            self._inertia = Inertia(settled=side, rise=self._settle, fall=self._settle)
        if near:  # it is where it was when it was not
            side = self._inertia.seen
        flip = self._flip if self._flip is not None and self._flip.to == side else None
        return self._inertia.see(side, flip or Change(side, now.moment, False), now.moment)

    def finish(self) -> list[Change]:
        """Return that it crossed, where it was seen last on the other side."""
        return [] if self._inertia is None else self._inertia.finish()


class Track:
    """An object and its stays and passages, by name of zone and line."""

    def __init__(self, number: int, moment: float) -> None:
        """Begin to know it."""
        self.number, self.start, self.told = number, moment, moment
        self.sight: Sight | None = None
        self.stays: dict[str, Stay] = {}
        self.passages: dict[str, Passage] = {}
        self._votes: Counter[int] = Counter()
        self.class_id = -1
        """What it is taken for."""

    def vote(self, class_id: int, confidence: float) -> int:
        """Count what a sight says that it is; return what most do, each counted with its confidence."""
        self._votes[class_id] += confidence  # type: ignore[assignment]  # a Counter's numbers may be any
        return max(self._votes, key=self._votes.__getitem__)

    def leave(self, names: Collection[str], moment: float) -> Iterator[tuple[str, Stay, Change]]:
        """Forget these zones and lines; give the zones that it was in, and that it left them."""
        for name in names:
            self.passages.pop(name, None)
            if (stay := self.stays.pop(name, None)) is not None:
                for change in stay.finish(moment):
                    yield name, stay, change

    @property
    def seconds(self) -> float:
        """For which it was known when it was last seen."""
        return 0.0 if self.sight is None else self.sight.moment - self.start
