"""The zones and lines of a camera, at the size of its pictures and with the classes of its model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from yolorknn.stream.scene import Outline, Scene
from yolorknn.tasks.detections import Detections
from yolorknn.tracking.geometry import Area, Border, anchor_of
from yolorknn.tracking.zones import Line, Zone, check_names


class Places:
    """Zones and lines, frozen but for the size of the picture.

    Raises:
        ValueError: two have one name, or a class is none of the model's.
    """

    def __init__(self, zones: Sequence[Zone], lines: Sequence[Line], names: Mapping[int, str]) -> None:
        """Check them."""
        self.zones, self.lines = tuple(zones), tuple(lines)
        every: list[Zone | Line] = [*zones, *lines]
        check_names(every)
        self._counted = {place.name: _class_ids(place, names) for place in every}
        self.outlines = (
            *(Outline(zone.name, zone.polygon, True) for zone in zones),
            *(Outline(line.name, (line.start, line.end), False) for line in lines),
        )
        self._size: tuple[int, int] | None = None
        self._areas: list[tuple[Zone, Area]] = []
        self._borders: list[tuple[Line, Border]] = []

    def fit(self, size: tuple[int, int]) -> None:
        """Scale them to pictures of (width, height)."""
        if size != self._size:
            self._size = size
            self._areas = [(zone, Area(zone, size)) for zone in self.zones]
            self._borders = [(line, Border(line, size)) for line in self.lines]

    def areas(self, class_id: int) -> Iterator[tuple[Zone, Area]]:
        """Give the zones in which objects of a class count."""
        return ((zone, area) for zone, area in self._areas if self._counts(zone, class_id))

    def borders(self, class_id: int) -> Iterator[tuple[Line, Border]]:
        """Give the lines across which objects of a class count."""
        return ((line, border) for line, border in self._borders if self._counts(line, class_id))

    def without(self, class_id: int) -> list[str]:
        """Return the names of those in which objects of a class do not count."""
        return [name for name, counted in self._counted.items() if counted is not None and class_id not in counted]

    def of(self, found: Detections) -> tuple[tuple[str, ...], ...]:
        """Return the zones that each object is in, in this frame."""
        return tuple(
            tuple(zone.name for zone, area in self.areas(class_id) if area.has(*anchor_of(xyxy, zone.anchor)))
            for xyxy, class_id in zip(found.xyxy.tolist(), found.class_id.tolist(), strict=True)
        )

    def scene_of(self, found: Detections, names: Mapping[int, str]) -> Scene:
        """Return how many are in each zone in this frame, of objects that have no numbers."""
        places = self.of(found)
        counts: dict[str, Counter[str]] = {zone.name: Counter() for zone in self.zones}
        for class_id, within in zip(found.class_id.tolist(), places, strict=True):
            for zone in within:
                counts[zone][names[class_id]] += 1
        return Scene((), places if counts else (), counts, outlines=self.outlines)

    def _counts(self, place: Zone | Line, class_id: int) -> bool:
        counted = self._counted[place.name]
        return counted is None or class_id in counted


def _class_ids(place: Zone | Line, names: Mapping[int, str]) -> frozenset[int] | None:
    if place.classes is None:
        return None
    by_name = {name: class_id for class_id, name in names.items()}
    ids = set()
    for given in place.classes:
        number = given if isinstance(given, int) else by_name.get(given, int(given) if given.isdecimal() else -1)
        if number not in names:
            kind = type(place).__name__.lower()
            raise ValueError(
                f"{kind} '{place.name}' counts '{given}', and the model has no such class: see 'yolorknn info'"
            )
        ids.add(number)
    return frozenset(ids)
