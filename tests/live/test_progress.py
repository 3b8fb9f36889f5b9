"""When a watcher gets on: alive is not enough."""

from __future__ import annotations

from typing import Any

import pytest

from yolorknn.live.camera import Camera, CameraStatus
from yolorknn.live.progress import Progress
from yolorknn.stream.sources.status import SourceStatus, State


def status(name: str, detected: int, state: State = "live", lost: int = 0) -> CameraStatus:
    source = SourceStatus(name, state, "", 1, 0.0, None, None, {"ended": lost} if lost else {}, {}, 0)
    return CameraStatus(name, 1.0, source, detected, 0, 0, 0.0, None, 0.0)


CAMERAS = [Camera("a", "camera0"), Camera("b", "camera1", fps=0.05)]


def heard(steps: list[tuple[float, list[CameraStatus]]]) -> list[bool]:
    """Return what Progress says at each moment."""
    now = [0.0]
    progress, said = Progress(lambda: now[0]), []
    for moment, statuses in steps:
        now[0] = moment
        said.append(progress(statuses, CAMERAS))
    return said


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        ([(t, [status("a", t)]) for t in (0, 5, 12, 19)], [True] * 4),
        ([(t, [status("a", 7)]) for t in (0, 9, 11)], [True, True, False]),
        ([(0, [status("a", 7)]), (11, [status("a", 7)]), (12, [status("a", 8)])], [True, False, True]),
        ([(t, [status("a", 7, "waiting", t // 60)]) for t in (0, 60, 120, 179)], [True] * 4),
        ([(t, [status("a", 7, "waiting")]) for t in (0, 89, 91)], [True, True, False]),
        ([(t, [status("a", 7, "stuck")]) for t in (0, 89, 91)], [True, True, False]),
        ([(t, [status("a", 7, "ended")]) for t in (0, 89, 910)], [True] * 3),
        ([(t, [status("a", 7, "waiting"), status("b", 9)]) for t in (0, 59, 61)], [True, True, False]),
        ([(0, [status("a", 7, "waiting")]), (80, [status("a", 7, "waiting")]), (89, [status("a", 7)])], [True] * 3),
        ([(0, [status("a", 0, "opening")]), (5, [status("a", 0)]), (16, [status("a", 0)])], [True, True, False]),
    ],
)
def test_progress(steps: list[tuple[float, list[Any]]], said: list[bool]) -> None:
    """Frames detected in while a camera gives any; else tries; being alive is not enough."""
    assert heard(steps) == said
