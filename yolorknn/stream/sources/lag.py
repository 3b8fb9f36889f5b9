"""How far behind a stream's frames come, by the times that they carry."""

from __future__ import annotations

LATE = 2.0
"""Seconds behind from which a frame of a live stream is too old to be given."""
JUMP = 10.0
"""Seconds by which times jump when they begin anew, as no frame is behind by so much at once."""
DRIFT = 0.0005
"""Seconds a second by which a camera's clock may go slower than ours without its frames counting as behind."""


class Lag:
    """Compares when frames arrive with the times they carry: what piles up before us shows as a growing difference.

    Times are used for nothing else: many cameras' jump, or run at another speed than they say.
    """

    def __init__(self) -> None:
        self.jumps = 0
        """How often the times began anew."""
        self._least: float | None = None
        self._noted = 0.0

    def note(self, arrived: float, time: float | None) -> bool:
        """Note when a frame of some time arrived, in seconds; tell whether it is behind by more than LATE."""
        if time is None:
            return False
        offset = arrived - time
        if self._least is None or abs(offset - self._least) > JUMP:
            self.jumps += self._least is not None
            self._least = offset
        self._least = min(offset, self._least + DRIFT * (arrived - self._noted if self._noted else 0.0))
        self._noted = arrived
        return offset - self._least > LATE
