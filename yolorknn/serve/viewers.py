"""Who looks: viewers see the newest picture of each camera, listeners are told of every result."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection

from yolorknn.serve.shots import Look

MOST_SAID = 64
"""Records that wait for a listener."""


class Viewer:
    """One who sees the newest picture of each camera, when it has seen the one before.

    Args:
        looks: what it wants to see.
        wake: called, from any thread, when there is something to take, or when the hub was closed.
    """

    def __init__(self, looks: Collection[Look], wake: Callable[[], None]) -> None:
        self.looks, self.wake = tuple(looks), wake
        self.seen = dict.fromkeys(self.looks, 0)
        """The number of the newest shot it took of each."""
        self.waits = False


class Listener:
    """One who is told of every result; of those it does not take in time the oldest go, and are counted.

    Args:
        cameras: whose results it wants; None for all, those that are watched later too.
        wake: called, from any thread, when there is something to take, or when the hub was closed.
    """

    def __init__(self, cameras: Collection[str] | None, wake: Callable[[], None]) -> None:
        self._cameras, self.wake = None if cameras is None else frozenset(cameras), wake
        self._said: deque[bytes] = deque(maxlen=MOST_SAID)
        self._late = 0
        self.passed_over = 0
        """Results that were not made records for it, as too many waited for that."""

    @property
    def missed(self) -> int:
        """Records it did not get."""
        return self._late + self.passed_over

    def wants(self, camera: str) -> bool:
        """Tell whether it is to be told of a camera's results."""
        return self._cameras is None or camera in self._cameras

    def offer(self, said: bytes) -> int:
        """Put a record into its queue; return how many went for it."""
        lost = int(len(self._said) == MOST_SAID)
        self._late += lost
        self._said.append(said)
        self.wake()
        return lost

    def take(self) -> list[bytes]:
        """Return the records that wait, the oldest first."""
        taken = []
        while self._said:
            taken.append(self._said.popleft())
        return taken
