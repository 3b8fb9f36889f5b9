"""The end of a run: what steps that wait for later frames decide then."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.stream.test_run import Camera, Kept, Make, Told
from yolorknn import Result
from yolorknn.errors import SourceError
from yolorknn.stream.run import run
from yolorknn.stream.scene import Scene
from yolorknn.stream.step import Steps
from yolorknn.stream.stream import Stream


class Last:
    """A step that has the last result say so."""

    ended = False

    def begin(self, epoch: int) -> None:
        pass

    def apply(self, result: Result) -> Result:
        return result

    def finish(self, result: Result) -> Result:
        return result.with_scene(result.detections, Scene(places=(("last",),)))

    def end(self) -> None:
        self.ended = True

    def close(self) -> None:
        pass


@pytest.mark.parametrize("live", [False, True])
def test_what_is_decided_at_the_end_is_in_a_videos_last_result(make: Make, live: bool) -> None:
    """Also where it breaks off; results of a camera do not wait for the next, and it has no last one."""
    kept, told, camera, last = Kept(), Told(), Camera(), Last()
    camera.live = live
    words: list[str] = []
    steps = Steps([last], words.append)
    with (
        make() as detector,
        Stream(camera, detector._stages, workers=3, drop="none") as stream,
        pytest.raises(SourceError, match="camera0 stopped"),
    ):
        run(stream, [kept], steps=steps, counted=told.counts.append, skipped=told.skip)
    assert [bool(result.scene.places) for result in kept.results] == [False, False, not live] and last.ended is live
    assert [result.index for result in kept.results] == [0, 1, 2] and told.counts == [1, 2, 3] and words == []


@pytest.mark.parametrize("place", ["step", "sink"])
def test_ctrl_c_loses_nothing_that_waits(make: Make, place: str) -> None:
    """Wherever it comes: what a step was given, or what a sink has in hand, is the one result without a line."""
    kept, told, camera, last = Kept(), Told(), Camera(), Last()
    words: list[str] = []
    camera.live = False

    def interrupted(result: Result, then: Callable[[Result], Any]) -> Any:
        if result.index == 1 and not last.ended:
            last.ended = True
            raise KeyboardInterrupt
        return then(result)

    busy: Any = last if place == "step" else kept
    name, then = ("apply", last.apply) if place == "step" else ("write", kept.write)
    setattr(busy, name, lambda result: interrupted(result, then))
    with (
        make() as detector,
        Stream(camera, detector._stages, workers=3, drop="none") as stream,
        pytest.raises(KeyboardInterrupt),
    ):
        run(stream, [kept], steps=Steps([last], words.append), counted=told.counts.append, skipped=told.skip)
    assert [result.index for result in kept.results] == ([0] if place == "step" else [0, 2])
    assert kept.results[-1].scene.places and words == []
