"""Zones and lines as values: what is refused, in a sentence; and where boxes are among them."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from yolorknn.tasks.detections import import_supervision
from yolorknn.tracking.geometry import Area, Border, anchor_of
from yolorknn.tracking.zones import ANCHORS, Line, Zone, check_names

SQUARE = ((0.2, 0.2), (0.8, 0.2), (0.8, 0.8), (0.2, 0.8))
SIZE = (640, 360)


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (lambda: Zone("door", SQUARE[:2]), "zone 'door' has 2 corners, and needs 3 or more"),
        (lambda: Zone("door", ((0, 0), (0.5, 0.5), (1, 1))), "zone 'door' has no area: its corners are on one line"),
        (lambda: Zone("door", ((0, 0), (0, 0), (0, 0))), "zone 'door' has no area: its corners are on one line"),
        (lambda: Zone("door", ((0, 0), (640, 0), (0, 360))), "in shares of the picture, 0 to 1, not 640,0"),
        (lambda: Zone("door", ((0, 0), (float("nan"), 0), (0, 1))), "0 to 1, not nan,0"),
        (lambda: Zone("door", ("a", "b", "c")), "zone 'door' is of points x, y, not"),  # type: ignore[arg-type]
        (lambda: Zone("", SQUARE), "a zone has a name"),
        (lambda: Zone("door", SQUARE, anchor="feet"), "is one of bottom, center, top, left, right, not 'feet'"),  # type: ignore[arg-type]
        (lambda: Zone("door", SQUARE, leave_after=-1), "leave_after of zone 'door' is 0 s or more, not -1"),
        (lambda: Line("gate", (0.5, 0.5), (0.5, 0.5)), "line 'gate' has no length: its ends are one point"),
        (lambda: Line("gate", (0, 0), (1, 2)), "line 'gate' is in shares of the picture, 0 to 1, not 1,2"),
        (lambda: Line("gate", (0, 0), (1, 1), settle=float("inf")), "settle of line 'gate' is 0 s or more, not inf"),
        (lambda: check_names([Zone("a", SQUARE), Line("a", (0, 0), (1, 1))]), "two zones or lines are called 'a'"),
    ],
)  # fmt: skip
def test_what_is_none_is_refused(made: Any, words: str) -> None:
    with pytest.raises(ValueError) as refused:
        made()
    assert words in str(refused.value)


def test_they_are_values() -> None:
    listed: Any = [[0.2, 0.2], [0.8, 0.2], [0.8, 0.8], [0.2, 0.8]]
    zone = Zone("door", listed, classes=["person"])  # type: ignore[arg-type]
    assert zone == Zone("door", SQUARE, ("person",)) and hash(zone) == hash(Zone("door", SQUARE, ("person",)))


def test_configuration_needs_no_arrays() -> None:
    """So that a file can be checked in no time, and on a board without trackers."""
    code = "import sys; import yolorknn.tracking.zones; print({'numpy', 'cv2', 'supervision'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


@pytest.mark.parametrize("anchor", ANCHORS)
def test_zones_are_supervisions(anchor: Any) -> None:
    """On a star-shaped polygon, but for points nearer to its edge than supervision's whole pixels."""
    pytest.importorskip("supervision")
    supervision = import_supervision()
    position = {"bottom": "BOTTOM_CENTER", "top": "TOP_CENTER", "left": "CENTER_LEFT", "right": "CENTER_RIGHT"}
    rng = np.random.default_rng(3)
    polygon = np.array([[320, 20], [380, 200], [600, 180], [400, 240], [500, 340], [300, 260], [60, 330], [200, 150]])
    corners = rng.uniform(0, 1, (500, 2, 2)) * SIZE
    xyxy = np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1).astype(np.float32)
    zone = supervision.PolygonZone(polygon, [supervision.Position[position.get(anchor, "CENTER")]])
    theirs = zone.trigger(supervision.Detections(xyxy))
    area = Area(Zone("star", tuple((x / 640, y / 360) for x, y in polygon.tolist())), SIZE)
    points = [anchor_of(box, anchor) for box in xyxy.tolist()]
    ours = [area.has(x, y) for x, y in points]
    rounded = np.rint(points).tolist()
    near = {
        i
        for i, (x, y) in enumerate(rounded)
        if len({area.has(x + a, y + b) for a in (-1.5, 1.5) for b in (-1.5, 1.5)}) > 1
    }
    assert sum(ours) > 30 and len(near) < 60
    assert all(ours[i] == theirs[i] for i in range(500) if i not in near)


def test_where_an_edge_is_crossed() -> None:
    area = Area(Zone("square", SQUARE), SIZE)
    assert area.crossed((0, 180), (256, 180)) == pytest.approx(0.5, abs=1e-4)
    assert area.crossed((256, 180), (0, 180)) == pytest.approx(0.5, abs=1e-4)
    border = Border(Line("gate", (0.5, 0.25), (0.5, 0.75)), SIZE)
    assert border.inwards(330, 0) == pytest.approx(10) and border.inwards(310, 0) == pytest.approx(-10)
    for y, within in ((180, True), (80, False)):
        crossing = border.crossed((300, y), (330, y))
        assert crossing.share == pytest.approx(2 / 3) and crossing.within is within
