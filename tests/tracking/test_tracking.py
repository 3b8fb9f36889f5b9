"""Objects over time: their numbers and lives, zones in seconds, lines crossed once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.fakes.moving import seen, video_frame, walk
from tests.fakes.results import NAMES, detections
from yolorknn import Detections, Result
from yolorknn.stream.scene import LineEvent, TrackEvent, ZoneEvent
from yolorknn.tracking.tracking import Tracking
from yolorknn.tracking.zones import Line, Zone

pytest.importorskip("trackers", reason="trackers is not installed")
pytestmark = pytest.mark.track
MIDDLE = Zone("middle", ((0.4, 0), (0.6, 0), (0.6, 1), (0.4, 1)))  # x from 256 to 384
GATE = Line("gate", (0.5, 0.25), (0.5, 0.75))  # x 320, y from 90 to 270


def of(kind: type, events: Any) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


def test_a_life() -> None:
    step = Tracking(NAMES)
    frames = walk((0, 100, 200), (12, 220, 200))
    events = seen(step, [*frames, *((12.1 + n / 10, Detections.empty()) for n in range(30))])
    assert [(event.type, event.tracker_id) for event in events] == [
        ("new", 1),
        ("update", 1),
        ("update", 1),
        ("end", 1),
    ]
    assert events[-1] == TrackEvent("end", 1, 0, pytest.approx(12.0), pytest.approx(11.9))  # type: ignore[arg-type]


def test_an_object_that_is_hidden_keeps_its_number_for_so_many_seconds() -> None:
    for fps in (30.0, 5.0):
        frames = walk((0, 100, 200), (8, 260, 200), fps=fps)
        for gap, numbers in ((1.6, {1}), (2.6, {1, 2})):
            step = Tracking(NAMES)
            step.begin(0)
            found = set()
            for index, (moment, one) in enumerate(frames):
                here = Detections.empty() if 3 <= moment < 3 + gap else one
                found |= set(step.apply(video_frame(index, moment, here)).detections.tracker_id.tolist()) - {-1}
            assert found == numbers, (fps, gap)


def test_dwell_is_from_edge_to_edge() -> None:
    for fps in (30.0, 10.0, 5.0):
        entered, left = of(
            ZoneEvent, seen(Tracking(NAMES, zones=[MIDDLE]), walk((0, 96, 200), (10, 736, 200), fps=fps))
        )
        assert (entered.type, entered.zone, entered.timestamp) == ("entered", "middle", pytest.approx(2.5, abs=0.02))
        assert (left.type, left.timestamp, left.seconds) == (
            "left",
            pytest.approx(4.5, abs=0.02),
            pytest.approx(2, abs=0.02),
        )


def test_a_short_visit_is_none_and_a_short_absence_neither() -> None:
    zone = Zone("middle", MIDDLE.polygon, enter_after=1.0, leave_after=1.0)
    visit = walk((0, 100, 200), (3, 250, 200), (3.4, 270, 200), (3.8, 250, 200), (6, 100, 200))
    assert of(ZoneEvent, seen(Tracking(NAMES, zones=[zone]), visit)) == []
    absence = walk(
        (0, 200, 200), (2, 300, 200), (4, 375, 200), (4.4, 390, 200), (4.8, 375, 200), (8, 300, 200), (10, 500, 200)
    )
    events = of(ZoneEvent, seen(Tracking(NAMES, zones=[zone]), absence))
    assert [event.type for event in events] == ["entered", "left"]
    assert events[1].seconds == pytest.approx(8.84 - 1.12, abs=0.05)


def trembling(found: Detections, rng: np.random.Generator) -> Detections:
    sides = found.xyxy + rng.normal(0, 0.6, 4).astype(np.float32)
    return Detections(sides, found.confidence, found.class_id)


@pytest.mark.parametrize("fps", [30.0, 10.0, 5.0])
def test_a_line_is_crossed_once_though_the_box_trembles_on_it(fps: float) -> None:
    rng = np.random.default_rng(5)
    way = walk((0, 200, 200), (4, 320, 200), (34, 320, 200), (38, 440, 200), fps=fps)
    frames = [(moment, trembling(found, rng)) for moment, found in way]
    (crossed,) = of(LineEvent, seen(Tracking(NAMES, lines=[GATE]), frames))
    assert (crossed.direction, crossed.line) == ("in", "gate")


def test_there_and_back_are_two_and_around_is_none() -> None:
    there = walk((0, 200, 200), (3, 440, 200), (6, 200, 200))
    assert [event.direction for event in of(LineEvent, seen(Tracking(NAMES, lines=[GATE]), there))] == ["in", "out"]
    around = walk((0, 200, 200), (2, 280, 320), (4, 400, 320), (6, 420, 200), (8, 200, 200))
    assert [event.direction for event in of(LineEvent, seen(Tracking(NAMES, lines=[GATE]), around))] == ["out"]


def test_who_is_gone_right_behind_a_line_has_crossed_it() -> None:
    frames = [*walk((0, 200, 200), (3, 332, 200)), *((3.1 + n / 10, Detections.empty()) for n in range(30))]
    assert [event.type for event in seen(Tracking(NAMES, lines=[GATE]), frames)] == ["new", "crossed", "end"]


def test_at_the_end_of_a_video_who_is_behind_a_line_has_crossed_it_and_all_end() -> None:
    """A tenth of a second behind it nothing has lasted yet, and there is no other frame in which it could."""
    step = Tracking(NAMES, zones=[MIDDLE], lines=[GATE])
    step.begin(0)
    for index, (moment, found) in enumerate(walk((0, 200, 200), (3, 332, 200))):
        last = step.apply(video_frame(index, moment, found))
    assert last.scene.lines["gate"] == {"in": {}, "out": {}} and last.scene.zones["middle"] == {NAMES[0]: 1}
    final = step.finish(last)
    assert [event.type for event in final.events] == [*(event.type for event in last.events), "crossed", "left", "end"]
    assert final.scene.lines["gate"] == {"in": {NAMES[0]: 1}, "out": {}} == step.scene.lines["gate"]
    assert final.scene.zones == last.scene.zones and final.scene.places == last.scene.places, (
        "where it is in this frame"
    )
    assert final.events[-1].timestamp == last.timestamp and final.detections == last.detections
    assert step.finish(final).events == final.events, "once"


def test_what_ended_without_a_frame_is_counted_and_told_with_the_next(tmp_path: Path) -> None:
    step = Tracking(NAMES, lines=[GATE], memory=tmp_path / "a.json")
    seen(step, walk((0, 200, 200), (3, 332, 200)))
    step.end()
    step.end()
    assert step.scene.lines["gate"]["in"] == {NAMES[0]: 1}
    assert [event.type for event in seen(step, walk((0, 100, 200), (0.1, 101, 200)))] == ["crossed", "end", "new"]
    step.close()
    later = Tracking(NAMES, lines=[GATE], memory=tmp_path / "a.json")
    seen(later, walk((0, 100, 200), (0.1, 101, 200)))
    assert later.scene.lines["gate"]["in"] == {NAMES[0]: 1}


def test_clocks_that_are_set_change_nothing() -> None:
    """Unix time jumps by hours forth and back, while frames arrive as before."""
    step = Tracking(NAMES, zones=[MIDDLE], lines=[GATE])
    step.begin(1)
    events: list[Any] = []
    for index, (moment, found) in enumerate(walk((0, 96, 200), (10, 736, 200))):
        wall = 1e9 + moment + (7200 if 3 < moment < 4 else -3600 if moment > 5 else 0)
        black = np.broadcast_to(np.uint8(0), (360, 640, 3))
        timings = video_frame(0, 0.0, found).timings
        events += step.apply(Result(black, index, wall, found, timings, "camera0", epoch=1, arrived=50 + moment)).events
    assert [event.type for event in events] == ["new", "entered", "crossed", "update", "left"]
    assert events[4].seconds == pytest.approx(2, abs=0.02)


@pytest.mark.filterwarnings("error")
def test_times_that_stand_still_or_go_back_end_nothing() -> None:
    frames = [
        (moment - (0.5 if index == 40 else 0), found)
        for index, (moment, found) in enumerate(walk((0, 96, 200), (8, 600, 200)))
    ]
    frames[50] = (frames[49][0], frames[50][1])
    assert {event.tracker_id for event in seen(Tracking(NAMES), frames)} == {1}


def test_an_epoch_ends_all_and_numbers_go_on(tmp_path: Path) -> None:
    step = Tracking(NAMES, zones=[Zone("all", ((0, 0), (1, 0), (1, 1), (0, 1)))], memory=tmp_path / "a.json")
    seen(step, walk((0, 100, 200), (3, 160, 200)), epoch=1)
    events = seen(step, walk((0, 100, 200), (3, 160, 200)), epoch=2)
    assert events[3].timestamp < 1, "in another video, whose times are its own"
    assert [(event.type, event.tracker_id) for event in events] == [("left", 1), ("end", 1), ("new", 2), ("entered", 2)]
    step.close()
    later = Tracking(NAMES, memory=tmp_path / "a.json")
    assert seen(later, walk((0, 100, 200), (3, 160, 200)))[0].tracker_id == 3


def test_who_does_not_tell_of_the_first_epoch_has_a_tracker_too() -> None:
    step = Tracking(NAMES)
    events = [event for index, frame in enumerate(walk((0, 100, 200), (1, 130, 200)))
              for event in step.apply(video_frame(index, *frame)).events]  # fmt: skip
    assert [event.type for event in events] == ["new"]


def test_counts_go_on_in_a_later_run(tmp_path: Path) -> None:
    for run in (1, 2, 3):
        step = Tracking(NAMES, zones=[MIDDLE], lines=[GATE], memory=tmp_path / "a.json")
        seen(step, walk((0, 96, 200), (10, 736, 200)))
        step.close()
        assert step.scene.lines == {"gate": {"in": {"person": run}, "out": {}}}
        assert step.scene.entered == {"middle": {"person": run}}


def test_classes_that_do_not_count() -> None:
    lights = Line("lights", GATE.start, GATE.end, classes=(1,))
    events = seen(Tracking(NAMES, zones=[Zone("z", MIDDLE.polygon, classes=("person",))], lines=[lights]),
                  walk((0, 96, 200), (10, 736, 200)))  # fmt: skip
    assert [event.type for event in events] == ["new", "entered", "update", "left"]


def test_what_is_recognised_as_another_class_leaves_the_zones_that_count_it_no_more() -> None:
    """Or it would be in them for as long as it is seen anywhere."""
    step = Tracking(NAMES, zones=[Zone("people", MIDDLE.polygon, classes=("person",)), Zone("all", MIDDLE.polygon)])
    frames = walk((0, 320, 200), (5, 320, 200))
    named = [(moment, Detections(box.xyxy, box.confidence, np.array([moment > 1], np.int64))) for moment, box in frames]
    left = [event for event in of(ZoneEvent, seen(step, named)) if event.type == "left"]
    assert [(event.zone, event.class_id) for event in left] == [("people", 0)]
    assert step.scene.zones == {"people": {}, "all": {"traffic light": 1}} and step.scene.places == (("all",),)


def test_zones_are_moved_while_objects_are_in_them() -> None:
    step = Tracking(NAMES, zones=[MIDDLE])
    frames = walk((0, 200, 200), (2, 300, 200), (9, 300, 200))
    assert [event.type for event in seen(step, frames[:40])] == ["new", "entered"]
    step.place([Zone("middle", ((0, 0), (0.1, 0), (0.1, 1), (0, 1)))], [GATE])
    result = step.apply(video_frame(40, *frames[40]))
    assert [event.type for event in result.events] == ["left"] and result.scene.zones == {"middle": {}}
    assert result.scene.lines == {"gate": {"in": {}, "out": {}}}


def test_what_a_result_says_of_its_objects() -> None:
    step = Tracking(NAMES, zones=[MIDDLE])
    step.begin(0)
    for index, (moment, found) in enumerate(walk((0, 320, 200), (2, 320, 200))):
        two = detections(((10, 10, 50, 90), 0.95, 1), *((tuple(box), conf, label) for box, conf, label in found))
        result = step.apply(video_frame(index, moment, two))
    assert result.detections.tracker_id is not None and sorted(result.detections.tracker_id.tolist()) == [1, 2]
    assert result.scene.places == ((), ("middle",)) and result.scene.zones == {"middle": {"person": 1}}
    assert np.array_equal(result.detections.xyxy, two.xyxy), "in the order in which they were found"
