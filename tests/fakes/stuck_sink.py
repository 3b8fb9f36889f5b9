"""A sink that is stuck until it is let go."""

from __future__ import annotations

import threading
from typing import Any

from yolorknn import Result


class Gate:
    """A sink that is stuck in write() until it is let go, as one on a dead network drive."""

    def __init__(self, *, stuck: bool = True) -> None:
        self.go, self.entered = threading.Event(), threading.Event()
        self.numbers: list[int] = []
        self.shapes: list[tuple[int, ...]] = []
        self.closed = 0
        if not stuck:
            self.go.set()

    def write(self, given: Result[Any]) -> None:
        self.entered.set()
        assert self.go.wait(60)
        self.numbers.append(given.index)
        self.shapes.append(given.frame.shape)

    def close(self) -> None:
        self.closed += 1
