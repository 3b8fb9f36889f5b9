"""Zones and lines as they are configured. Coordinates are shares of the picture, so that they fit one of any size."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

Point = tuple[float, float]
"""x and y, 0 to 1 of the picture's width and height, from its left upper corner."""
Anchor = Literal["bottom", "center", "top", "left", "right"]
"""The point of an object's box that is where the object is: the middle of a side, or of the box."""
ANCHORS: tuple[Anchor, ...] = get_args(Anchor)


@dataclass(frozen=True)
class Zone:
    """A part of the picture.

    Raises:
        ValueError: it cannot be one; in a sentence.
    """

    name: str
    """Its own among the zones and lines of a camera."""
    polygon: tuple[Point, ...]
    """At least three corners, in turn."""
    classes: tuple[int | str, ...] | None = None
    """Ids or names of the classes that count; None for all."""
    anchor: Anchor = "bottom"
    enter_after: float = 0.5
    """Seconds inside after which an object has entered; needs a tracker."""
    leave_after: float = 1.0
    """Seconds outside after which it has left; needs a tracker."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "polygon", _points(self.polygon, f"zone '{self.name}'"))
        if len(self.polygon) < 3:
            raise ValueError(f"zone '{self.name}' has {len(self.polygon)} corners, and needs 3 or more")
        if _area(self.polygon) < 1e-9:
            raise ValueError(f"zone '{self.name}' has no area: its corners are on one line")
        _check(self)


@dataclass(frozen=True)
class Line:
    """A line to be crossed: in is to the left hand of who goes from its start to its end in the picture.

    Raises:
        ValueError: it cannot be one; in a sentence.
    """

    name: str
    """Its own among the zones and lines of a camera."""
    start: Point
    end: Point
    classes: tuple[int | str, ...] | None = None
    """Ids or names of the classes that count; None for all."""
    anchor: Anchor = "bottom"
    settle: float = 0.3
    """Seconds on the other side after which an object has crossed."""

    def __post_init__(self) -> None:
        start, end = _points((self.start, self.end), f"line '{self.name}'")
        object.__setattr__(self, "start", start)
        object.__setattr__(self, "end", end)
        if start == end:
            raise ValueError(f"line '{self.name}' has no length: its ends are one point")
        _check(self)


def check_names(places: Sequence[Zone | Line]) -> None:
    """Refuse two of one name.

    Raises:
        ValueError: there are.
    """
    names = [place.name for place in places]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"two zones or lines are called '{name}': give each a name of its own")


def _points(given: Sequence[Point], of: str) -> tuple[Point, ...]:
    try:
        points = tuple((float(x), float(y)) for x, y in given)
    except (TypeError, ValueError):
        raise ValueError(f"{of} is of points x, y, not {given!r}") from None
    for x, y in points:
        if not (0 <= x <= 1 and 0 <= y <= 1):
            raise ValueError(
                f"{of} is in shares of the picture, 0 to 1, not {x:.15g},{y:.15g}: divide by its width and height"
            )
    return points


def _check(place: Zone | Line) -> None:
    kind = type(place).__name__.lower()
    if not place.name:
        raise ValueError(f"a {kind} has a name")
    if place.anchor not in ANCHORS:
        raise ValueError(f"the anchor of {kind} '{place.name}' is one of {', '.join(ANCHORS)}, not '{place.anchor}'")
    if place.classes is not None:
        object.__setattr__(place, "classes", tuple(place.classes))
    after = ("enter_after", "leave_after") if isinstance(place, Zone) else ("settle",)
    for name in after:
        if not (math.isfinite(getattr(place, name)) and getattr(place, name) >= 0):
            raise ValueError(f"{name} of {kind} '{place.name}' is 0 s or more, not {getattr(place, name)}")


def _area(polygon: Sequence[Point]) -> float:
    """Return the area of the box around the corners after they are turned onto their longest chord: 0 on one line."""
    (x, y), *others = polygon
    far = max(others, key=lambda point: math.dist((x, y), point))
    return max(abs((far[0] - x) * (b - y) - (far[1] - y) * (a - x)) for a, b in others)
