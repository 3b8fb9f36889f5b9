"""How a source that comes back is, at one moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from yolorknn.stream.sources.source import Reason

State = Literal["opening", "live", "waiting", "stuck", "ended"]
"""Being opened, and nothing came yet; giving frames; waiting for the next try; every thread hangs; at its end."""


@dataclass(frozen=True)
class SourceStatus:
    """How a source is; counts are since it began."""

    source: str
    """What it is of, as that is named to open it, without a password."""
    state: State
    why: str
    """The sentence on why it gives no frames; empty while it does, and before it is known."""
    epoch: int
    """See Frame; 0 before the first frame."""
    fps: float
    """Good frames a second that come now, as measured; 0 while none comes."""
    size: tuple[int, int] | None
    """Height and width of the newest frame in pixels."""
    age: float | None
    """Seconds since the last good frame arrived; None before the first."""
    losses: Mapping[Reason, int]
    """How often it was lost, or could not be opened, by reason."""
    frames: Mapping[str, int]
    """"read": good ones. Of these "dropped": that a newer one replaced before anybody took them. And "corrupt", "late"
    and "unwanted" ones, which were not given; unwanted are those above the wanted rate."""
    jumps: int
    """How often the times that its frames carry jumped."""
