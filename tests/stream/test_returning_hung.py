"""A source that comes back although a call of its camera never returns."""

from __future__ import annotations

import threading

import pytest

from tests.fakes.connections import Camera, Connection, epochs, frame, slowly
from tests.fakes.waiting import until
from yolorknn.stream.sources import returning
from yolorknn.stream.sources.source import Frame


def test_a_call_that_does_not_return_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Opening, reading: a thread that hangs is left, another begun; what it gives later is nobody's."""
    monkeypatch.setattr(returning, "STUCK", 0.4)
    monkeypatch.setattr(returning, "SLICE", 0.05)
    go = threading.Event()

    def hang() -> Frame:
        go.wait(30)
        return frame((99, 99))

    def hang_opening() -> Connection:
        go.wait(30)
        return Connection(frame((99, 99)))

    hanging = Connection(slowly(frame()), hang)
    source = Camera(hanging, hang_opening, Connection(slowly(frame()), slowly(frame()))).source()
    assert epochs(source, 3) == [1, 2, 2]
    status = source.status()
    assert status.losses == {"stuck": 2} and status.size == (8, 8)
    go.set()
    until(lambda: hanging.closed)
    assert source.status().size == (8, 8) and source.status().epoch == 2
    source.close()
    until(lambda: not [thread for thread in threading.enumerate() if thread.name == "yolorknn-source"])


def test_threads_that_hang_are_few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(returning, "STUCK", 0.05)
    monkeypatch.setattr(returning, "SLICE", 0.01)
    go = threading.Event()

    def hang_opening() -> Connection:
        go.wait(30)
        return Connection(slowly(frame()))

    source = Camera(*[hang_opening] * 50).source()
    reader = threading.Thread(target=source.read)
    reader.start()
    until(lambda: source.status().losses.get("stuck", 0) >= 6)
    threads = [thread for thread in threading.enumerate() if thread.name == "yolorknn-source"]
    assert len(threads) == returning.MOST_STUCK and source.status().state == "stuck"
    go.set()
    reader.join(20)
    assert not reader.is_alive(), "one that came back made room, and a frame came"
    source.close()
    until(lambda: not [thread for thread in threading.enumerate() if thread.name == "yolorknn-source"])
