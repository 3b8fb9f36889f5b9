"""What of one camera's results is kept, and where its zones are; read from what JSON says, with every bound checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from yolorknn.errors import InputError
from yolorknn.stream.result import Result
from yolorknn.tasks.detections import Detections
from yolorknn.text import printable
from yolorknn.tracking.zones import Line, Zone, check_names

MOST_ZONES, MOST_CORNERS, LONGEST_NAME = 32, 64, 60


@dataclass(frozen=True)
class CameraSettings:
    """What of a camera's results is kept, and where its zones are."""

    conf: float = 0.25
    """Confidence, exclusive, 0 to 1."""
    classes: tuple[str, ...] | None = None
    """Names of the classes that are kept; None for all."""
    zones: tuple[Zone, ...] = ()
    lines: tuple[Line, ...] = ()
    """Those of the camera, which nobody changes: no zone is called like one."""

    def changed(self, values: Any, names: Sequence[str], known: Sequence[Zone] = ()) -> CameraSettings:
        """Return these with some replaced, given as JSON has them.

        Args:
            values: any of conf, classes and zones; zones are polygons by name, all there are from then on.
            names: of the model's classes.
            known: zones that are told more of than their polygon, which stays so for one of that name.

        Raises:
            InputError: one is none, or out of range.
        """
        if not isinstance(values, Mapping):
            raise InputError("settings are an object with any of conf, classes and zones")
        if unknown := [str(name) for name in values if name not in ("conf", "classes", "zones")]:
            raise InputError(f"there is no setting '{printable(unknown[0][:40])}': there are conf, classes and zones")
        read: dict[str, Callable[[Any], Any]] = {
            "conf": _conf,
            "classes": lambda value: _classes(value, names),
            "zones": lambda value: _zones(value, {zone.name: zone for zone in (*known, *self.zones)}),
        }
        new = replace(self, **{name: read[name](value) for name, value in values.items()})
        try:
            check_names([*new.zones, *new.lines])
        except ValueError as exc:
            raise InputError(str(exc)) from None
        return new

    def keep(self, result: Result[Any], names: Sequence[str]) -> Result[Any]:
        """Return a result with only what is kept; the classes of an image all stay.

        Args:
            result: of the camera.
            names: of the model's classes.
        """
        found = result.detections
        if not isinstance(found, Detections) or not len(found):
            return result
        kept = found.confidence > self.conf
        if self.classes is not None:
            kept &= np.isin(found.class_id, [number for number, name in enumerate(names) if name in self.classes])
        return result if kept.all() else result.with_scene(found[kept], result.scene)

    def to_json(self) -> dict[str, Any]:
        """Return them as plain JSON values."""
        return {
            "conf": self.conf,
            "classes": None if self.classes is None else list(self.classes),
            "zones": {zone.name: [list(corner) for corner in zone.polygon] for zone in self.zones},
            "lines": {line.name: [list(line.start), list(line.end)] for line in self.lines},
        }


def _conf(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
        raise InputError("conf is a number from 0 to 1")
    return float(value)


def _classes(value: Any, names: Sequence[str]) -> tuple[str, ...] | None:
    if value is None:
        return None
    if not isinstance(value, (list, tuple)) or not all(isinstance(name, str) for name in value):
        raise InputError("classes are a list of names, or null for all")
    if unknown := [name for name in value if name not in names]:
        raise InputError(f"the model has no class '{printable(unknown[0][:40])}'")
    return tuple(dict.fromkeys(value))


def _zones(value: Any, known: Mapping[str, Zone]) -> tuple[Zone, ...]:
    if not isinstance(value, Mapping) or len(value) > MOST_ZONES:
        raise InputError(f"zones are an object of polygons by name, at most {MOST_ZONES}")
    return tuple(_zone(name, corners, known) for name, corners in value.items())


def _zone(name: Any, corners: Any, known: Mapping[str, Zone]) -> Zone:
    if (
        not isinstance(name, str)
        or name != name.strip()
        or not 0 < len(name) <= LONGEST_NAME
        or printable(name) != name
    ):
        raise InputError(f"a zone has a name of 1 to {LONGEST_NAME} characters that can be shown")
    if not isinstance(corners, (list, tuple)) or len(corners) > MOST_CORNERS:
        raise InputError(f"zone '{name}' is a list of corners, at most {MOST_CORNERS}")
    for corner in corners:
        if not isinstance(corner, (list, tuple)) or not all(type(side) in (int, float) for side in corner):
            raise InputError(f"a corner of zone '{name}' is x, y as shares of the picture, 0 to 1")
    try:
        polygon = tuple(tuple(corner) for corner in corners)
        return replace(known[name], polygon=polygon) if name in known else Zone(name, polygon)
    except (ValueError, OverflowError) as exc:
        raise InputError(str(exc)) from None
