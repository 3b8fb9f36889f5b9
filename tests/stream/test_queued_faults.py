"""What fails behind a queue costs its own results: it is told of and opened again, or raised where none may be lost."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest

from tests.fakes.backends import NUMBERS
from tests.fakes.numbered import numbered_frames
from tests.fakes.results import result
from tests.fakes.stuck_sink import Gate
from tests.fakes.waiting import until
from yolorknn import Detector, Result
from yolorknn.errors import OutputError, SourceError
from yolorknn.stream import backoff
from yolorknn.stream.run import run
from yolorknn.stream.sinks import queued
from yolorknn.stream.sinks.callback import Callback
from yolorknn.stream.sinks.queued import Queued
from yolorknn.stream.sinks.sink import Sink


class Flaky:
    """A sink whose target is away for a while."""

    def __init__(self) -> None:
        self.away = False
        self.opened = 0
        self.numbers: list[int] = []

    def open(self) -> Sink:
        self.opened += 1
        if self.away:
            raise OutputError("cannot write /mnt/usb/d.jsonl: No such device")
        return self

    def write(self, given: Result[Any]) -> None:
        if self.away:
            raise OutputError("cannot write /mnt/usb/d.jsonl: Input/output error")
        self.numbers.append(given.index)

    def close(self) -> None:
        pass


class Clock:
    """Stands in for the time module where only monotonic() is used."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(queued, "time", made)
    return made


def test_a_sink_that_fails_is_opened_again_ever_more_seldom(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backoff, "JITTER", (0.0, 0.0))
    flaky, told = Flaky(), list[str]()
    sink = Queued(flaky.open, name="lines", told=told.append)

    def write(number: int) -> None:
        sink.write(result(number))
        while sink.state.written + sink.state.failed <= number:
            time.sleep(0.0002)

    write(0)
    flaky.away = True
    for number in range(1, 200):
        write(number)
        clock.now += 1
    assert flaky.opened == 9, "after 1, 2, 4, 8, 16, 32 and 60 s"
    assert sink.state.error == "cannot write /mnt/usb/d.jsonl: No such device" and sink.state.failed == 199
    flaky.away = False
    clock.now += 60
    write(200)
    assert (sink.state.error, sink.state.written, flaky.numbers) == ("", 2, [0, 200])
    sink.close()
    assert told[0] == (
        "lines: cannot write /mnt/usb/d.jsonl: Input/output error; results are lost until it works again"
    )
    assert told[-1] == "lines works again: 199 results were lost" and len(told) <= 5


def test_what_cannot_be_opened_is_said_at_once_or_tried_again(clock: Clock) -> None:
    flaky = Flaky()
    flaky.away = True
    with pytest.raises(OutputError, match="No such device"):
        Queued(flaky.open, name="lines")
    sink = Queued(flaky.open, name="lines", now=False, told=lambda _: None)
    sink.write(result(0))
    until(lambda: sink.state.failed == 1)
    flaky.away = False
    clock.now += 1
    sink.write(result(1))
    sink.close()
    assert flaky.numbers == [1]


def test_a_function_that_raises_costs_that_result_alone() -> None:
    seen: list[int] = []

    def function(given: Result[Any]) -> None:
        if given.index % 2:
            raise ZeroDivisionError(f"of\n{given.index}")
        seen.append(given.index)

    told: list[str] = []
    with closing(Queued(lambda: Callback(function), name="mine", told=told.append)) as sink:
        for number in range(20):
            sink.write(result(number))
    assert seen == list(range(0, 20, 2)) and (sink.state.written, sink.state.failed) == (10, 10)
    assert told == [
        r"mine: ZeroDivisionError: of\n1; results are lost until it works again",
        "mine works again: 1 results were lost",
    ]


def test_a_function_that_leaves_ends_nothing() -> None:
    def function(given: Result[Any]) -> None:
        raise SystemExit(given.index)

    with closing(Queued(lambda: Callback(function), name="mine", told=lambda _: None)) as sink:
        for number in range(3):
            sink.write(result(number))
    assert sink.state.failed == 3 and sink.state.error == "SystemExit: 2"


def test_a_pipe_that_nobody_reads_ends_the_run() -> None:
    def function(_: Result[Any]) -> None:
        raise BrokenPipeError(32, "Broken pipe")

    sink = Queued(lambda: Callback(function), name="stdout")
    sink.write(result(0))
    until(lambda: sink.state.failed)
    with pytest.raises(BrokenPipeError):
        sink.write(result(1))
    sink.close()


def test_for_files_nothing_is_dropped_and_what_fails_is_raised() -> None:
    gate = Gate()
    sink = Queued(lambda: gate, name="lines", drop="none", most=2)
    threading.Timer(0.2, gate.go.set).start()
    for number in range(20):
        sink.write(result(number))
    sink.close()
    assert gate.numbers == list(range(20)) and sink.state.lost == 0

    flaky = Flaky()
    failing = Queued(flaky.open, name="lines", drop="none")
    flaky.away = True
    failing.write(result(0))
    until(lambda: failing.state.failed)
    with pytest.raises(OutputError, match="Input/output error"):
        failing.write(result(1))
    with pytest.raises(OutputError, match="Input/output error"):
        failing.close()


def test_a_close_that_fails_is_told() -> None:
    class Unfinished(Gate):
        def close(self) -> None:
            raise OutputError("cannot finish the video v.mkv: is the disk full?")

    told: list[str] = []
    Queued(lambda: Unfinished(stuck=False), name="video", told=told.append).close()
    assert told == ["video: cannot finish the video v.mkv: is the disk full?"]
    with pytest.raises(OutputError, match="is the disk full"):
        Queued(lambda: Unfinished(stuck=False), name="video", drop="none").close()


def refuse(_: Result[Any]) -> None:
    raise OutputError("cannot write it")


@pytest.mark.parametrize("kind", ["stuck", "failing", "raising"])
def test_detection_goes_on_beside_a_sink_that_does_not(make: Callable[..., Detector], kind: str) -> None:
    """Every frame is detected and reaches the other sink, while this one takes none."""
    gate = Gate()
    bad: dict[str, Callable[[], Sink]] = {
        "stuck": lambda: gate,
        "failing": lambda: Callback(refuse),
        "raising": lambda: Callback(lambda _: 1 / 0),
    }
    good: list[int] = []
    with make(2, 0.001) as detector, detector.stream(numbered_frames(300, NUMBERS.imgsz)) as stream:
        sink = Queued(bad[kind], name="bad", most=8, told=lambda _: None)
        sinks: list[Sink] = [sink, Callback(lambda given: good.append(given.index))]
        summary = run(stream, sinks, counted=lambda _: None, skipped=unexpected)
        assert summary.frames == 300 and good == list(range(300))
        assert sink.state.waiting <= 8 and sink.state.written == 0
        gate.go.set()
        sink.close()
    assert sink.state.written + sink.state.lost == 300


def unexpected(exc: SourceError) -> None:
    raise exc
