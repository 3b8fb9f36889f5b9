"""How a sink behind a queue does."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class SinkState:
    """How a sink does."""

    name: str
    written: int
    """Results that it took."""
    dropped: int
    """Results that found the queue full, or that close() did not wait for."""
    failed: int
    """Results that it refused, or that came while it was away."""
    waiting: int
    """Results in the queue."""
    busy: float
    """Seconds for which it has been at one result."""
    error: str
    """What is wrong with it; empty where it took the last result."""

    @property
    def lost(self) -> int:
        """Results that it was meant to have and does not."""
        return self.dropped + self.failed

    @property
    def losses(self) -> str:
        """The same in words; empty where none is lost."""
        return f"{self.name}: {self.lost} of {self.written + self.lost} results lost" if self.lost else ""
