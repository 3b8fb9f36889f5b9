"""A state that holds once it has lasted: what noise does not change, and what is the same at any frame rate."""

from __future__ import annotations

from typing import NamedTuple


class Change(NamedTuple):
    """That a state became another."""

    to: bool
    moment: float
    """When it did, in seconds; not when it had lasted."""
    counts: bool
    """Whether it was a crossing, and no way around."""


class Inertia:
    """Follows what is seen, and says what of it lasted.

    What is seen between two sights is known from where it changed: so a state that lasted, and was over before the
    next sight, is said too, whether there were thirty sights a second or five.
    """

    def __init__(self, *, settled: bool, rise: float, fall: float) -> None:
        """Begin.

        Args:
            settled: the state at first.
            rise: seconds that True lasts before it is so.
            fall: seconds that False lasts before it is so.
        """
        self.settled = settled
        """The state that lasted."""
        self.seen = settled
        """The state when it was last looked at."""
        self._lasts = {True: rise, False: fall}
        self._pending: Change | None = None

    @property
    def pending(self) -> Change | None:
        """What is seen and has not lasted yet."""
        return self._pending

    def see(self, state: bool, since: Change, now: float) -> list[Change]:
        """Return what lasted, at most two changes.

        Args:
            state: what is seen now.
            since: the change to it, where the sight before was of the other.
            now: moment of this sight.
        """
        lasted = []
        if state != self.seen:
            lasted += self._settle(since.moment)
            self.seen = state
            self._pending = since if state != self.settled else None
        return lasted + self._settle(now)

    def finish(self) -> list[Change]:
        """Return what is still pending, as nothing more will be seen: where it was last seen is where it is."""
        return self._settle(float("inf"))

    def _settle(self, now: float) -> list[Change]:
        change = self._pending
        if change is None or now - change.moment < self._lasts[change.to] - EXACT:
            return []
        self.settled, self._pending = change.to, None
        return [change]


EXACT = 1e-6
"""Seconds that frames' times are off by, as they are rounded."""
