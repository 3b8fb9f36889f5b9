"""Many sources as one: each has its share, the newest frame counts, and none waits for another."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes.backends import NUMBERS, NumberBackend, number_detector
from tests.fakes.numbered import number_of, numbered_frame
from tests.fakes.waiting import until
from tests.stream.conftest import PICTURE
from yolorknn.stream.sources.ahead import Ahead
from yolorknn.stream.sources.fair import OLDEST, FairSource
from yolorknn.stream.sources.images import Images
from yolorknn.stream.sources.source import Frame
from yolorknn.stream.sources.status import SourceStatus


class Fed:
    """A feed that a test fills."""

    def __init__(self, camera: str, wake: threading.Event, *, live: bool = True) -> None:
        self.camera, self.live, self.ended, self.watched = camera, live, False, 0
        self._wake, self._number = wake, 0
        self.newest: Frame | None = None

    def fill(self, *, old: float = 0.0) -> None:
        self.newest = Frame(
            PICTURE, 0.0, "x", arrived=time.monotonic() - old, camera=self.camera, epoch=1, number=self._number
        )
        self._number += 1
        self._wake.set()

    def take(self) -> Frame | None:
        frame, self.newest = self.newest, None
        return frame

    def watch(self) -> None:
        self.watched += 1

    def status(self) -> SourceStatus:
        raise NotImplementedError

    def stop(self) -> None:
        self.ended = True

    def close(self) -> None:
        self.stop()


def shares(weights: dict[str, float], rates: dict[str, float], turns: int = 4000) -> Counter[str]:
    """Count who is served, where each feed has a new frame with a chance a turn."""
    wake, chance, served = threading.Event(), random.Random(1), Counter[str]()
    feeds = [Fed(name, wake) for name in weights]
    source = FairSource([(feed, weights[feed.camera]) for feed in feeds], wake)
    for feed in feeds:
        feed.fill()
    for _ in range(turns):
        for feed in feeds:
            if chance.random() < rates[feed.camera]:
                feed.fill()
        if any(feed.newest for feed in feeds) or any(share.waiting for share in source._all):
            frame = source.read()
            assert frame is not None
            source.taken(frame)
            source.left(frame)
            served[frame.camera] += 1
    return served


@given(weights=st.lists(st.sampled_from([0.5, 1.0, 2.0, 3.0]), min_size=2, max_size=8))
@settings(max_examples=12, deadline=None)
def test_frames_are_served_by_weight(weights: list[float]) -> None:
    """Of cameras that always have a newer frame."""
    named = {f"camera{number}": weight for number, weight in enumerate(weights)}
    served = shares(named, dict.fromkeys(named, 1.0), turns=500)
    expected = {name: sum(served.values()) * weight / sum(weights) for name, weight in named.items()}
    assert all(served[name] == pytest.approx(expected[name], rel=0.05, abs=2) for name in named)


@pytest.mark.parametrize("rate", [0.3, 0.6, 1.0])
def test_of_equal_cameras_none_is_served_a_tenth_more_than_another(rate: float) -> None:
    named = [f"camera{number}" for number in range(8)]
    served = shares(dict.fromkeys(named, 1.0), dict.fromkeys(named, rate), turns=3000)
    assert max(served.values()) <= 1.1 * min(served.values()) and len(served) == 8


def test_what_one_leaves_the_others_share() -> None:
    """A slow camera is served each of its frames; the rest goes to the others in equal parts."""
    served = shares({"slow": 1.0, "a": 1.0, "b": 1.0}, {"slow": 0.05, "a": 1.0, "b": 1.0})
    assert served["slow"] == pytest.approx(200, rel=0.25)
    assert served["a"] == pytest.approx(served["b"], rel=0.01)


def test_a_feed_that_was_away_saves_nothing_up() -> None:
    wake = threading.Event()
    one, other = Fed("one", wake), Fed("other", wake)
    source = FairSource([(one, 1.0), (other, 1.0)], wake)
    for _ in range(100):
        one.fill()
        frame = source.read()
        assert frame is not None
        source.taken(frame)
        source.left(frame)
    served = []
    for _ in range(10):
        one.fill()
        other.fill()
        frame = source.read()
        assert frame is not None
        source.taken(frame)
        source.left(frame)
        served.append(frame.camera)
    assert served.count("one") == served.count("other") == 5


def test_the_newest_of_a_camera_is_given() -> None:
    wake = threading.Event()
    feed, other = Fed("a", wake), Fed("b", wake)
    source = FairSource([(feed, 1.0), (other, 1.0)], wake)
    for _ in range(3):
        feed.fill()
    frame = source.read()
    assert frame is not None and frame.number == 2
    feed.fill()
    other.fill()
    newer = source.read()
    assert newer is not None and (newer.camera, newer.number) == ("a", 3), "it replaces the one that nobody took"
    source.taken(newer)
    following = source.read()
    assert following is not None and following.camera == "b"
    assert source.replaced == {"a": 1, "b": 0}


def test_none_is_given_before_the_last_is_taken() -> None:
    wake = threading.Event()
    feed, other = Fed("a", wake), Fed("b", wake)
    source = FairSource([(feed, 1.0), (other, 1.0)], wake)
    feed.fill()
    first = source.read()
    other.fill()
    got: list[Frame | None] = []
    reader = threading.Thread(target=lambda: got.append(source.read()))
    reader.start()
    reader.join(0.2)
    assert reader.is_alive() and not got
    assert first is not None
    source.taken(first)
    reader.join(10)
    assert got[0] is not None and got[0].camera == "b"


def test_an_old_frame_is_not_given() -> None:
    wake = threading.Event()
    feed, other = Fed("a", wake), Fed("b", wake)
    source = FairSource([(feed, 1.0), (other, 1.0)], wake)
    feed.fill(old=OLDEST + 1)
    other.fill()
    frame = source.read()
    assert frame is not None and frame.camera == "b" and source.replaced["a"] == 1


def test_feeds_are_looked_after_while_nothing_comes() -> None:
    wake = threading.Event()
    feed = Fed("a", wake)
    source = FairSource([(feed, 1.0)], wake)
    reader = threading.Thread(target=source.read)
    reader.start()
    until(lambda: feed.watched)
    source.stop()
    reader.join(10)
    assert not reader.is_alive() and feed.ended


def test_it_ends_with_the_last_feed() -> None:
    wake = threading.Event()
    feeds = [Fed("a", wake), Fed("b", wake)]
    source = FairSource([(feed, 1.0) for feed in feeds], wake)
    feeds[0].fill()
    for feed in feeds:
        feed.ended = True
    frame = source.read()
    assert frame is not None
    source.taken(frame)
    assert source.read() is None


def test_two_of_one_name_are_refused() -> None:
    wake = threading.Event()
    with pytest.raises(ValueError, match="one name"):
        FairSource([(Fed("a", wake), 1.0), (Fed("a", wake), 1.0)], wake)


def test_a_hung_core_holds_up_no_other_camera(tmp_path: Path) -> None:
    """Results of the camera whose frame it has wait; the others' do not."""
    go, begun = threading.Event(), threading.Event()

    class Hangs(NumberBackend):
        def infer(self, image: np.ndarray) -> list[np.ndarray]:
            if number_of(image) == 7 and not begun.is_set():
                begun.set()
                go.wait(30)
            return super().infer(image)

    wake = threading.Event()
    feeds = [
        Ahead(_endless(first), camera=name, source=name, told=print, wake=wake) for first, name in ((7, "a"), (8, "b"))
    ]
    with (
        number_detector(tmp_path, 2, backend=Hangs) as detector,
        detector.stream(FairSource([(feed, 1.0) for feed in feeds], wake)) as stream,
    ):
        seen = [next(stream).camera for _ in range(200)]
        assert begun.wait(10) and set(seen) == {"b"}
        go.set()
        until(lambda: next(stream).camera == "a")


def _endless(first: int):  # type: ignore[no-untyped-def]
    def images() -> Iterator[np.ndarray]:
        while True:
            yield numbered_frame(first, NUMBERS.imgsz)

    return lambda: Images(images())
