"""Whether another program is connected under our name: a broker then throws out whoever came first, without a word.

Each run leaves a mark at the broker whenever it connects. One that is thrown out and comes back finds the other's: then
it leaves again. The next time, the other has a new mark where it came back too; where it has not, it is gone.
"""

from __future__ import annotations

import secrets


class Session:
    """The marks of this run, and what is known of another's."""

    def __init__(self) -> None:
        """Make a run's own."""
        self._own = secrets.token_hex(8).encode()
        self._connected = 0
        self._seen = b""

    def mark(self) -> bytes:
        """Return the mark of a further connection."""
        self._connected += 1
        return b"%s %d" % (self._own, self._connected)

    @property
    def is_first(self) -> bool:
        """Whether it was never connected."""
        return not self._connected

    def is_taken(self, found: bytes) -> bool:
        """Return whether a mark that was found on coming back is of another run that is alive.

        Before its own first mark a run knows nothing, and takes the place of whoever was there.
        """
        if self.is_first or not found or found.startswith(self._own):
            return False
        alive, self._seen = found != self._seen, found
        return alive
