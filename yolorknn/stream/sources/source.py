"""What every source of frames has in common."""

from __future__ import annotations

from typing import NamedTuple, Protocol

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


class Source(Protocol):
    """Frames one after another; used by one thread.

    It fails by raising: whether to open it again is decided by who opened it.
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
