"""The life of a track as events: new, update, end, each once."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes.results import NAMES, detections, result, tracked
from yolorknn import Detections, Result
from yolorknn.stream.scene import Event, LineEvent, Scene, TrackEvent, ZoneEvent
from yolorknn.stream.sinks.mqtt import track_events
from yolorknn.stream.sinks.mqtt.track_events import GONE, SILENT, UPDATED, TrackEvents


def kinds(events: list[dict[str, Any]]) -> list[tuple[str, int]]:
    return [(event["type"], event["tracker_id"]) for event in events]


def test_the_life_of_a_track() -> None:
    tracks = TrackEvents("yard", NAMES)

    def see(now: float, found: Any, *zones: str) -> list[dict[str, Any]]:
        return tracks.update(result(int(now), found=found, timestamp=1000 + now), [zones], now)

    (new,) = see(0, tracked(7, confidence=0.6))
    assert new == {
        "version": 1, "type": "new", "id": "yard-1000000-7", "camera": "yard", "tracker_id": 7, "class_id": 0,
        "name": "person", "confidence": 0.6, "xyxy": [0.0, 0.0, 10.0, 10.0], "frame": 0, "timestamp": 1000.0,
        "clock": "unix", "width": 80, "height": 60, "top_confidence": 0.6, "zones": [], "entered_zones": [],
        "start": 1000.0, "end": None,
    }  # fmt: skip
    assert see(1, tracked(7)) == []
    (entered,) = see(2, tracked(7, confidence=0.9), "door")
    assert (entered["type"], entered["zones"], entered["top_confidence"]) == ("update", ["door"], 0.9)
    (left,) = see(3, tracked(7), "street")
    assert (left["zones"], left["entered_zones"]) == (["street"], ["door", "street"])
    assert see(3 + UPDATED - 1, tracked(7), "street") == []
    assert kinds(see(3 + UPDATED, tracked(7), "street")) == [("update", 7)]
    assert kinds(see(4 + UPDATED, tracked(7, class_id=1), "street")) == [("update", 7)]
    assert see(4 + UPDATED + GONE, detections()) == []
    (end,) = see(4.5 + UPDATED + GONE, detections())
    assert (end["type"], end["name"], end["end"], end["id"]) == ("end", "traffic light", 1009.0, new["id"])
    (again,) = see(100, tracked(7))
    assert again["type"] == "new" and again["id"] != new["id"], "a number may be given again"
    assert kinds(tracks.finish()) == [("end", 7)] and tracks.finish() == []


def test_a_new_epoch_ends_what_was_before() -> None:
    """Its tracker is another, which may give the same numbers."""
    tracks = TrackEvents("yard", NAMES)
    first, second = (
        Result(*result(found=tracked(7), timestamp=1000.0 + epoch), result().timings, "a", epoch=epoch)
        for epoch in (1, 2)
    )
    assert kinds(tracks.update(first, [], 0.0)) == [("new", 7)]
    assert kinds(tracks.update(second, [], 0.5)) == [("end", 7), ("new", 7)]


def test_a_tracker_says_itself_when_a_track_has_ended() -> None:
    """One that keeps hidden objects for longer, and one that does for less long."""
    tracks = TrackEvents("yard", NAMES)

    def see(now: float, found: Detections, *events: TrackEvent) -> list[tuple[str, int]]:
        seen = result(found=found, timestamp=now).with_scene(found, Scene(events))
        return kinds(tracks.update(seen, [], now))

    assert see(0, tracked(7), TrackEvent("new", 7, 0, 0, 0)) == [("new", 7)]
    assert see(GONE + 3, detections()) == []
    assert see(GONE + 4, tracked(7)) == [("update", 7)], "the same"
    assert see(GONE + 4.5, detections(), TrackEvent("end", 7, 0, GONE + 4, GONE + 4)) == [("end", 7)]
    assert see(GONE + 5, tracked(8)) == [("new", 8)]
    assert kinds(tracks.passed(GONE + 5 + SILENT + 1)) == [("end", 8)]


@pytest.mark.parametrize("epoch", [1, 2])
def test_what_an_object_does_last_is_told_before_its_end_and_as_its_own(epoch: int) -> None:
    """Also with the first result of another connection, whose tracker gives the number again."""
    tracks = TrackEvents("yard", NAMES)

    def see(now: float, epoch: int, found: Detections, *events: Event) -> list[dict[str, Any]]:
        seen = Result(*result(found=found, timestamp=now), result().timings, "a", epoch=epoch, scene=Scene(events))
        return tracks.update(seen, [], now)

    first = see(1, 1, tracked(7), TrackEvent("new", 7, 0, 1, 0), ZoneEvent("entered", "door", 7, 0, 1))
    assert [event["type"] for event in first] == ["new", "entered"]
    last = (LineEvent("out", "gate", 7, 0, 1), ZoneEvent("left", "door", 7, 0, 1, 1), TrackEvent("end", 7, 0, 1, 1))
    begun = (TrackEvent("new", 7, 0, 2, 0), ZoneEvent("entered", "door", 7, 0, 2)) if epoch == 2 else ()
    second = see(2, epoch, tracked(7) if begun else detections(), *last, *begun)
    wanted = ["crossed", "left", "end"]
    assert [event["type"] for event in second] == wanted + (["new", "entered"] if begun else [])
    assert [event["id"] for event in (*first, *second[:3])] == ["yard-1000-7"] * 5
    assert [event["id"] for event in second[3:]] == ["yard-2000-7"] * len(begun)


def test_a_number_given_again_is_another_though_its_end_was_not_told() -> None:
    tracks = TrackEvents("yard", NAMES)
    for epoch in (1, 2):
        scene = Scene((TrackEvent("new", 7, 0, epoch, 0), ZoneEvent("entered", "door", 7, 0, epoch)))
        seen = Result(*result(found=tracked(7), timestamp=epoch), result().timings, "a", epoch=epoch, scene=scene)
        told = tracks.update(seen, [], epoch)
    assert [(event["type"], event["id"]) for event in told] == [
        ("end", "yard-1000-7"), ("new", "yard-2000-7"), ("entered", "yard-2000-7"),
    ]  # fmt: skip


def test_what_has_no_tracker_has_no_events() -> None:
    tracks = TrackEvents("yard", NAMES)
    assert tracks.update(result(found=detections(((0, 0, 5, 5), 0.9, 0))), [], 0.0) == []
    assert tracks.update(result(found=tracked(-1, -1)), [], 0.0) == [], "not sure yet"


@given(st.lists(st.tuples(st.floats(0.01, 3), st.sets(st.integers(0, 5))), max_size=40))
@settings(max_examples=100, deadline=None)
def test_each_life_has_one_beginning_and_one_end(frames: list[tuple[float, set[int]]]) -> None:
    """Brute force: sights of one number with no gap above GONE are one life."""
    tracks, now, events = TrackEvents("yard", NAMES), 0.0, []
    sights: dict[int, list[float]] = {}
    for step, seen in frames:
        now += step
        events += tracks.passed(now)
        events += tracks.update(result(found=tracked(*sorted(seen)), timestamp=now), [], now)
        for number in seen:
            sights.setdefault(number, []).append(now)
    events += tracks.finish()
    lives = {number: 1 + sum(b - a > GONE for a, b in itertools.pairwise(at)) for number, at in sights.items()}
    for number, wanted in lives.items():
        own = [kind for kind, one in kinds(events) if one == number and kind != "update"]
        assert own == ["new", "end"] * wanted
    identities = [event["id"] for event in events if event["type"] == "new"]
    assert len(set(identities)) == len(identities) == sum(lives.values())


def test_tracks_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(track_events, "MOST", 10)
    tracks = TrackEvents("yard", NAMES)
    for number in range(50):
        tracks.update(result(found=tracked(number)), [], number / 1000)
    assert len(vars(tracks)["_tracks"]) == 10
