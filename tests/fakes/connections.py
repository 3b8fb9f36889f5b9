"""Connections to a camera that do what a test says, and a source that goes from one to the next."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable

import numpy as np

from yolorknn.stream.backoff import Backoff
from yolorknn.stream.sources.returning import ReturningSource
from yolorknn.stream.sources.source import Frame, LostError, Reason, SilentError


def frame(size: tuple[int, int] = (8, 8)) -> Frame:
    return Frame(np.zeros((*size, 3), np.uint8), time.time(), "cam", arrived=time.monotonic())


class Connection:
    """Does one thing after another: gives a frame, raises, or calls what takes its time."""

    name, live, fps = "cam", True, 10.0
    count: int | None = None

    def __init__(self, *does: object) -> None:
        self._does = iter(does)
        self.unfit: Counter[str] = Counter()
        self.jumps = 0
        self.closed = False

    def read(self) -> Frame | None:
        assert not self.closed, "read after close"
        does = next(self._does, SilentError("nothing", "silent"))
        if callable(does):
            does = does()
        if isinstance(does, Exception):
            time.sleep(0.01)
            raise does
        return does  # type: ignore[return-value]

    def close(self) -> None:
        self.closed = True


class Camera:
    """Gives one connection after another, and notes what is told."""

    def __init__(self, *connections: Connection | Exception | Callable[[], Connection]) -> None:
        self._connections = iter(connections)
        self.told: list[str] = []

    def connect(self) -> Connection:
        given = next(self._connections, LostError("cam refuses", "refused"))
        if isinstance(given, Exception):
            raise given
        return given if isinstance(given, Connection) else given()

    def source(self, **options: object) -> ReturningSource:
        quick = Backoff(chance=lambda _, __: 0.99)
        return ReturningSource(
            self.connect,
            source="cam",
            name="cam",
            told=self.told.append,
            **{"backoff": quick, **options},  # type: ignore[arg-type]
        )


def epochs(source: ReturningSource, count: int) -> list[int]:
    return [frame.epoch for _ in range(count) if (frame := source.read())]


def lost(reason: Reason) -> LostError:
    return LostError(f"cam is lost: {reason}", reason)


def slowly(given: Frame) -> Callable[[], Frame]:
    """Give a frame after the one before was surely taken."""

    def give() -> Frame:
        time.sleep(0.05)
        return given

    return give
