"""Steps between detection and sinks: in order, told of epochs; one that fails is told of and left out."""

from __future__ import annotations

from typing import Any

from tests.fakes.results import result
from yolorknn import Result
from yolorknn.stream.scene import Scene, TrackEvent
from yolorknn.stream.step import Steps, StepsByCamera


class Noted:
    """A step that notes what it is given, adds an event, and fails on one frame."""

    def __init__(self, number: int, failing: int = -1) -> None:
        self.number, self.failing = number, failing
        self.noted: list[tuple[str, int]] = []

    def begin(self, epoch: int) -> None:
        self.noted.append(("epoch", epoch))

    def apply(self, given: Result[Any]) -> Result[Any]:
        self.noted.append(("frame", given.index))
        if given.index == self.failing:
            raise ZeroDivisionError("no such luck")
        event = TrackEvent("new", self.number, 0, given.timestamp, 0.0)
        return given.with_scene(given.detections, Scene((*given.events, event)))

    def close(self) -> None:
        self.noted.append(("close", 0))


def of_epoch(index: int, epoch: int) -> Result[Any]:
    made = result(index)
    return Result(*made, made.timings, made.source, camera="door", epoch=epoch, arrived=1.5)


def test_they_follow_one_another_and_are_told_of_epochs() -> None:
    one, two = Noted(1), Noted(2)
    steps = Steps([one, two], lambda words: None)
    given = of_epoch(0, 1)
    done = steps.apply(given)
    assert [event.tracker_id for event in done.events] == [1, 2] and given.events == ()
    assert (done.frame is given.frame, done.camera, done.epoch, done.arrived) == (True, "door", 1, 1.5)
    steps.apply(of_epoch(1, 1))
    steps.apply(of_epoch(2, 2))
    assert one.noted == two.noted
    assert one.noted == [("epoch", 1), ("frame", 0), ("frame", 1), ("epoch", 2), ("frame", 2)], "and they stay open"


def test_one_that_fails_is_told_of_and_left_out() -> None:
    told: list[str] = []
    bad, good = Noted(1, failing=1), Noted(2)
    steps = Steps([bad, good], told.append, of="door")
    ids = [[event.tracker_id for event in steps.apply(of_epoch(index, 1)).events] for index in range(3)]
    assert ids == [[1, 2], [2], [2]]
    assert told == ["Noted of door failed on frame 1: no such luck; it is left out from here on"]


class Deciding(Noted):
    """One that adds another event to the last result."""

    def finish(self, given: Result[Any]) -> Result[Any]:
        self.noted.append(("last", given.index))
        event = TrackEvent("end", self.number, 0, given.timestamp, 0.0)
        return given.with_scene(given.detections, Scene((*given.events, event)))

    def end(self) -> None:
        self.noted.append(("end", self.number))
        if self.failing == -2:
            raise ZeroDivisionError("no such luck")


def test_the_last_result_is_what_those_that_waited_make_of_it() -> None:
    one, two, three = Noted(1), Deciding(2), Deciding(3)
    steps = Steps([one, two, three], lambda words: None)
    last = steps.finish(steps.apply(of_epoch(0, 1)))
    assert [(event.type, event.tracker_id) for event in last.events][3:] == [("end", 2), ("end", 3)]
    assert len(last.events) == 5 and two.noted[-1] == ("last", 0) != one.noted[-1]


def test_those_that_wait_decide_where_no_result_is_left_too() -> None:
    told: list[str] = []
    bad, good = Deciding(1, failing=-2), Deciding(2)
    steps = StepsByCamera({"door": [bad, Noted(3), good], "yard": []}, told.append)
    steps.apply(of_epoch(0, 1))
    steps.end()
    assert bad.noted[-1] == ("end", 1) and good.noted[-1] == ("end", 2)
    assert told == ["Deciding of door failed as it ended: no such luck"]
