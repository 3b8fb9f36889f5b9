"""A source that comes back, whatever takes it away; the age of its last good frame counts."""

from __future__ import annotations

import ctypes
import logging
import threading
from collections import Counter

import pytest

from tests.fakes.connections import Camera, Connection, epochs, frame, lost, slowly
from tests.fakes.waiting import until
from yolorknn.runtime.memory import resident_mb
from yolorknn.stream.backoff import Backoff
from yolorknn.stream.sources import returning
from yolorknn.stream.sources.returning import DENIED
from yolorknn.stream.sources.source import Frame, SilentError


def test_each_connection_is_an_epoch_and_frames_count_on() -> None:
    camera = Camera(*(Connection(*[slowly(frame())] * 3, lost("ended")) for _ in range(3)))
    source = camera.source()
    got = [given for _ in range(9) if (given := source.read())]
    assert [given.epoch for given in got] == [1, 1, 1, 2, 2, 2, 3, 3, 3]
    assert [given.number for given in got] == list(range(9))
    source.close()
    assert source.read() is None
    assert source.status().losses["ended"] >= 2


def test_another_size_is_an_epoch() -> None:
    source = Camera(Connection(slowly(frame()), slowly(frame((9, 8))), slowly(frame((9, 8))))).source()
    assert epochs(source, 3) == [1, 2, 2]
    assert source.status().size == (9, 8)
    source.close()


def test_after_a_refused_password_the_next_try_waits_longer() -> None:
    waits: list[float] = []

    class Noted(Backoff):
        def wait(self, *, at_least: float = 0.0) -> float:
            waits.append(at_least)
            return 0.0

    camera = Camera(lost("denied"), lost("refused"), Connection(slowly(frame())))
    source = camera.source(backoff=Noted())
    assert epochs(source, 1) == [1] and waits[:2] == [DENIED, 0]
    source.close()


@pytest.mark.parametrize("good", [True, False])
def test_waits_begin_anew_after_good_frames_for_long_and_not_before(
    monkeypatch: pytest.MonkeyPatch, good: bool
) -> None:
    """A camera that boots gives a frame and is gone again: it is asked more and more seldom."""
    monkeypatch.setattr(returning, "GOOD", 0.02 if good else 10.0)
    waits: list[int] = []

    class Noted(Backoff):
        def wait(self, *, at_least: float = 0.0) -> float:
            super().wait(at_least=at_least)
            waits.append(self._tries)
            return 0.0

    camera = Camera(*(Connection(slowly(frame()), slowly(frame()), lost("ended")) for _ in range(5)))
    source = camera.source(backoff=Noted())
    epochs(source, 10)
    until(lambda: len(waits) >= 5)
    source.close()
    assert waits[:5] == ([1] * 5 if good else [1, 2, 3, 4, 5])


def test_absent_at_the_start_is_no_end() -> None:
    camera = Camera(lost("absent"), lost("refused"), Connection(slowly(frame())))
    source = camera.source()
    assert epochs(source, 1) == [1]
    until(lambda: len(camera.told) == 2)
    assert camera.told[0].startswith("cam is lost: absent; it is tried again")
    assert camera.told[1].startswith("cam gives frames again, after")
    source.close()


def test_of_several_cameras_it_is_said_which_and_one_that_is_lost_has_no_rate() -> None:
    camera = Camera(Connection(*[slowly(frame())] * 3, lost("ended")))
    source = camera.source(camera="door")
    assert [given.camera for _ in range(3) if (given := source.read())] == ["door"] * 3
    until(lambda: camera.told)
    assert camera.told[0].startswith("door: cam is lost") and source.status().fps == 0
    source.close()


def test_lost_and_back_are_said_once_each() -> None:
    losses = [lost("refused")] * 5
    camera = Camera(Connection(slowly(frame()), lost("ended")), *losses, Connection(slowly(frame())))
    source = camera.source()
    epochs(source, 2)
    until(lambda: len(camera.told) == 2)
    source.close()
    assert source.status().losses == {"ended": 1, "refused": 5}


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="malloc_trim is glibc's")
def test_a_lost_connection_leaves_its_memory_to_the_system() -> None:
    kept = list[bytearray]()

    class Large(Connection):
        def __init__(self, *steps: object) -> None:
            super().__init__(*steps)
            self._pieces = [bytearray(100_000) for _ in range(400)]
            kept.append(bytearray(100_000))  # behind them, so that glibc does not give them back by itself

        def close(self) -> None:
            self._pieces.clear()
            super().close()

    camera = Camera(Large(slowly(frame()), lost("ended")), *[lost("refused")] * 1000)
    held = resident_mb()
    source = camera.source()
    epochs(source, 1)
    until(lambda: resident_mb() < held - 30)
    source.close()


def test_silence_is_a_loss_though_the_connection_lives() -> None:
    camera = Camera(Connection(slowly(frame())), Connection(slowly(frame())))
    source = camera.source(silence=0.3)
    assert epochs(source, 2) == [1, 2]
    assert source.status().losses == {"silent": 1}
    source.close()


@pytest.mark.parametrize(("period", "expected"), [(60.0, [1, 1]), (0.0, [1, 2])])
def test_frames_that_are_not_wanted_are_no_silence_while_none_is(period: float, expected: list[int]) -> None:
    """One in half a minute is what somebody may want of a camera that gives 25 a second."""
    connection = Connection()

    def unwanted() -> SilentError:
        connection.unfit["unwanted"] += 1
        return SilentError("nothing that is wanted", "silent")

    connection._does = iter([slowly(frame()), *[unwanted] * 60, slowly(frame())])
    source = Camera(connection, Connection(slowly(frame()))).source(silence=0.3, period=period)
    assert epochs(source, 2) == expected
    source.close()


def test_damaged_frames_only_are_as_silence_and_say_so() -> None:
    damaged = Connection(slowly(frame()), *[SilentError("damaged frames only", "damaged")] * 60)
    camera = Camera(damaged, Connection(slowly(frame())))
    source = camera.source(silence=0.2)
    assert epochs(source, 2) == [1, 2]
    assert source.status().losses == {"damaged": 1} and "damaged" in camera.told[0]
    source.close()


def test_what_was_not_fit_is_counted_across_connections() -> None:
    connections = [Connection(slowly(frame()), lost("ended")) for _ in range(2)]
    for connection in connections:
        connection.unfit, connection.jumps = Counter(corrupt=3, late=1), 2
    source = Camera(*connections).source()
    epochs(source, 2)
    until(lambda: source.status().losses.get("ended") == 2)
    assert source.status().frames == {"read": 2, "dropped": 0, "corrupt": 6, "late": 2, "unwanted": 0}
    assert source.status().jumps == 4
    source.close()


def test_only_the_newest_frame_waits() -> None:
    ready = threading.Event()

    def last() -> Frame:
        return frame((8, 9))

    def wait() -> Exception:
        ready.set()
        return SilentError("", "silent")

    source = Camera(Connection(*[frame()] * 5, last, wait)).source()
    assert ready.wait(10)
    given = source.read()
    assert given is not None and given.number == 5 and given.image.shape == (8, 9, 3)
    assert source.dropped == 5
    source.close()


def test_every_frame_waits_where_all_are_wanted() -> None:
    source = Camera(Connection(*[frame()] * 20)).source(keep=True)
    assert [given.number for _ in range(20) if (given := source.read())] == list(range(20))
    assert source.dropped == 0
    source.close()


def test_an_error_nobody_thought_of_is_a_loss(caplog: pytest.LogCaptureFixture) -> None:
    camera = Camera(Connection(slowly(frame()), ZeroDivisionError("a decoder's")), Connection(slowly(frame())))
    source = camera.source()
    with caplog.at_level(logging.ERROR):
        assert epochs(source, 2) == [1, 2]
    assert "a decoder's" in caplog.text and source.status().losses == {"broken": 1}
    source.close()


def test_an_end_is_an_end() -> None:
    source = Camera(Connection(slowly(frame()), None)).source()
    assert source.read() is not None
    assert source.read() is None and source.ended and source.status().state == "ended"
    source.close()


def test_stopping_wakes_who_reads_and_closes_what_is_open() -> None:
    connection = Connection()
    source = Camera(connection).source()
    got: list[Frame | None] = []
    reader = threading.Thread(target=lambda: got.append(source.read()))
    reader.start()
    source.stop()
    reader.join(10)
    source.close()
    assert got == [None] and connection.closed


def test_every_connection_is_closed() -> None:
    connections = [Connection(slowly(frame()), lost("ended")) for _ in range(5)]
    source = Camera(*connections).source()
    epochs(source, 5)
    source.close()
    assert all(connection.closed for connection in connections)
