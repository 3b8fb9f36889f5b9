"""A sink behind a queue: what is dead or slow costs its own results, counted, and nothing of the stream."""

from __future__ import annotations

import time
from contextlib import closing

import numpy as np
import pytest

from tests.fakes.results import result
from tests.fakes.stuck_sink import Gate
from tests.fakes.waiting import until
from yolorknn import Result
from yolorknn.stream.result import without_pixels
from yolorknn.stream.sinks import queued
from yolorknn.stream.sinks.callback import Callback
from yolorknn.stream.sinks.queued import Queued


def until_idle(sink: Queued) -> None:
    until(lambda: not sink.state.waiting and not sink.state.busy)


def test_every_result_reaches_a_sink_that_keeps_up() -> None:
    gate = Gate(stuck=False)
    with closing(Queued(lambda: gate, name="lines", most=100)) as sink:
        for number in range(100):
            sink.write(result(number))
    assert gate.numbers == list(range(100)) and gate.closed == 1
    assert (sink.state.written, sink.state.lost, sink.state.error) == (100, 0, "")


@pytest.mark.parametrize(
    ("drop", "kept"), [("old", [0, *range(46, 50)]), ("new", [0, 1, 2, 3, 4])], ids=["the oldest go", "the newest go"]
)
def test_a_stuck_sink_keeps_so_many_and_counts_the_rest(drop: queued.Drop, kept: list[int]) -> None:
    gate, told = Gate(), list[str]()
    with closing(Queued(lambda: gate, name="lines", drop=drop, most=4, told=told.append)) as sink:
        sink.write(result(0))
        assert gate.entered.wait(30)
        for number in range(1, 50):
            sink.write(result(number))
        assert (sink.state.waiting, sink.state.dropped) == (4, 45) and sink.state.busy > 0
        gate.go.set()
    assert gate.numbers == kept
    assert told == ["lines does not keep up: results are dropped, 1 so far"], "once a minute at most"
    assert (sink.state.written, sink.state.lost) == (5, 45)


def test_pictures_in_a_queue_are_bounded_by_their_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queued, "MOST_BYTES", 10 * 3 * 200 * 200)
    gate = Gate()
    with closing(Queued(lambda: gate, name="video", most=1000)) as sink:
        sink.write(result(0))
        assert gate.entered.wait(30)
        for number in range(1, 100):
            sink.write(result(number, size=(200, 200)))
        assert sink.state.waiting == 9, "ten would be above it by their boxes"
        sink.write(result(100, size=(2000, 2000)))
        assert sink.state.waiting == 1, "one alone may be larger"
        gate.go.set()
    assert gate.numbers == [0, 100]


def test_without_pixels_a_frame_is_its_size_alone() -> None:
    gate = Gate()
    with closing(Queued(lambda: gate, name="lines", most=500, pixels=False)) as sink:
        for number in range(500):
            sink.write(result(number, size=(2000, 2000)))
        held = [given.frame for given, _ in sink._queue]
        assert len(held) >= 499 and all(frame.strides == (0, 0, 0) for frame in held)
        gate.go.set()
    assert gate.numbers == list(range(500)) and set(gate.shapes) == {(2000, 2000, 3)}


def test_without_pixels_all_else_is_as_it_was() -> None:
    """Also what a Result may come to have."""
    whole = Result(*result(3), result().timings, "a", "video", "yard", 7, 8.5)
    bare = without_pixels(whole)
    assert bare.__getnewargs__()[1:] == whole.__getnewargs__()[1:] and bare.frame.shape == whole.frame.shape
    names = [name for name, value in vars(Result).items() if isinstance(value, property) and name != "frame"]
    assert len(names) >= 9 and all(getattr(bare, name) == getattr(whole, name) for name in names)


def test_a_stuck_sink_does_not_hold_up_close() -> None:
    gate, told = Gate(), list[str]()
    sink = Queued(lambda: gate, name="lines", patience=0.1, told=told.append)
    for number in range(10):
        sink.write(result(number))
    assert gate.entered.wait(30)
    sink.close()
    assert told == ["lines did not finish within 0.1 s, and is left"] and sink.state.dropped == 9
    gate.go.set()
    sink._thread.join(30)
    assert gate.numbers == [0] and gate.closed == 1, "what it was at, and no more"


def test_only_what_is_wanted_takes_room() -> None:
    gate = Gate(stuck=False)
    with closing(Queued(lambda: gate, name="lines", wanted=lambda given: given.index % 10 == 0)) as sink:
        for number in range(100):
            sink.write(result(number))
    assert gate.numbers == list(range(0, 100, 10)) and sink.state.lost == 0


def test_a_queue_without_room_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1 result, not 0"):
        Queued(Gate, name="lines", most=0)


def test_the_picture_is_the_callers_own() -> None:
    """A function may write into it: other sinks have it before or after, as without a queue."""
    image = np.zeros((4, 4, 3), np.uint8)
    given = Result(image, 0, 0.0, result().detections, result().timings, "camera0")
    seen: list[np.ndarray] = []
    with closing(Queued(lambda: Callback(lambda got: seen.append(got.frame)), name="mine")) as sink:
        sink.write(given)
    assert seen[0] is image


def test_results_that_come_together_wait_for_others_but_not_for_the_end() -> None:
    gate = Gate(stuck=False)
    with closing(Queued(lambda: gate, name="recording", gather=60)) as sink:
        for number in range(5):
            sink.write(result(number))
        time.sleep(0.1)
        assert sink.state.waiting == 5 and not gate.numbers
        begun = time.monotonic()
    assert gate.numbers == list(range(5)) and time.monotonic() - begun < 30


@pytest.mark.parametrize("enough", ["bytes", "results"])
def test_enough_of_them_wait_for_no_other(enough: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queued, "GATHERED", 8 * 3 * 60 * 80 if enough == "bytes" else 1 << 30)
    gate = Gate(stuck=False)
    with closing(Queued(lambda: gate, name="recording", most=16, gather=60)) as sink:
        for number in range(7):
            sink.write(result(number))
        time.sleep(0.1)
        assert not gate.numbers
        sink.write(result(7))
        until(lambda: gate.numbers == list(range(8)))


def test_the_first_for_a_while_is_written_soon() -> None:
    gate = Gate(stuck=False)
    with closing(Queued(lambda: gate, name="recording", gather=0.05)) as sink:
        time.sleep(0.3)
        sink.write(result(0))
        until(lambda: gate.numbers == [0])
