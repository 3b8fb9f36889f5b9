"""What every source of frames has in common."""

from __future__ import annotations

from typing import Literal, NamedTuple, Protocol, runtime_checkable

from yolorknn.errors import SourceError
from yolorknn.image import Image
from yolorknn.stream.result import Clock


class Frame(NamedTuple):
    """One frame as a source gives it."""

    image: Image
    timestamp: float
    """When the frame was, in seconds on `clock`."""
    source: str
    """What it is of, as that is named to open it: path of the file, camera0, a stream's URL without its password."""
    clock: Clock = "unix"
    arrived: float = 0.0
    """When it arrived here, in seconds of time.monotonic(), which no clock that is set changes; 0 for files."""
    camera: str = ""
    """Name of the camera among several; empty for the only source of a stream."""
    epoch: int = 0
    """Of a camera or stream: from 1, one more with each new connection or size, after which nothing is as before."""
    number: int | None = None
    """Of the frame in its camera or stream, from 0, across epochs; None where whoever reads is to count."""


Reason = Literal[
    "absent",
    "busy",
    "refused",
    "denied",
    "unreachable",
    "unplugged",
    "silent",
    "ended",
    "damaged",
    "late",
    "broken",
    "stuck",
]
"""Why a source is lost: there is no such thing; another uses it; nobody answers there, or not to us; no way to it; it
is not plugged in any more; no frame in time; it ended; damaged frames only; late ones only; what comes is no video; a
call that does not return."""


class LostError(SourceError):
    """A source gives no frames any more, or cannot be opened; opened again it may."""

    def __init__(self, message: str, reason: Reason) -> None:
        super().__init__(message)
        self.reason: Reason = reason


class SilentError(LostError):
    """No good frame came in time; the same source may still give one."""


@runtime_checkable
class Source(Protocol):
    """Frames one after another; used by one thread.

    It fails by raising: whether to open it again is decided by who opened it. One whose read() can wait for long may
    have a stop() besides, which any thread may call, and which has a read under way return None soon.
    """

    name: str
    """What a folder of results is called after."""
    live: bool
    """Whether frames come in their own time, and may be dropped."""
    count: int | None
    """How many frames there are, where that is known."""
    fps: float
    """Frames a second, for writing a video; 0 for separate images."""

    def read(self) -> Frame | None:
        """Return the next frame, None at the end.

        Raises:
            SourceError: this frame cannot be read; the next may be.
        """

    def close(self) -> None:
        """Release the device or file."""
