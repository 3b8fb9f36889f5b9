"""A camera as it is configured, and how it is."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeAlias

from yolorknn.stream.sources.ahead import Ahead
from yolorknn.stream.sources.fair import Feed
from yolorknn.stream.sources.open_live import await_live
from yolorknn.stream.sources.open_source import is_live, open_source
from yolorknn.stream.sources.returning import SILENCE
from yolorknn.stream.sources.status import SourceStatus

Epochs: TypeAlias = dict[str, int]
"""The last epoch of each camera, by name: one that is begun anew goes on with the next."""
MOST = 1e6
"""What a camera's numbers are at most."""


@dataclass(frozen=True)
class Camera:
    """A camera, stream or file to be watched.

    Raises:
        ValueError: a number is out of range, or the name is empty.
    """

    name: str
    """Its own among all."""
    source: str
    """See open_live; or what else `detect` reads, as a file beside cameras."""
    weight: float = 1.0
    """Of its share of the NPU, to the others'."""
    fps: float | None = None
    """The most frames a second that are wanted of it; None for all."""
    size: tuple[int, int] | None = None
    """Width and height in pixels that a USB camera is asked for; None for its own choice."""
    silence: float = SILENCE
    """Seconds without a good frame after which it is lost."""
    held: str = ""
    """Of a source that is @FILE, a mark of what the file holds: with another, it is another camera."""

    def __post_init__(self) -> None:
        if not self.name:
            raise ValueError("a camera has a name")
        for what in ("weight", "silence"):
            _check(getattr(self, what), f"{what} of {self.name}")
        if self.fps is not None:
            _check(self.fps, f"fps of {self.name}")

    def begin(self, wake: threading.Event, told: Callable[[str], None], epoch: int = 0) -> Feed:
        """Begin to read it, on a thread of its own; it may be absent.

        Args:
            wake: set whenever there may be a frame to take.
            told: told what happens to it.
            epoch: the last one that there was of a camera of this name.
        """
        if self.source.startswith("@") or is_live(self.source):
            return await_live(
                self.source,
                camera=self.name,
                wake=wake,
                told=told,
                fps=self.fps,
                size=self.size,
                silence=self.silence,
                epoch=epoch,
            )
        return Ahead(lambda: open_source(self.source), camera=self.name, source=self.source, told=told, wake=wake)


def begin_all(
    cameras: Iterable[Camera], wake: threading.Event, told: Callable[[str], None], epochs: Epochs
) -> list[tuple[Feed, float]]:
    """Begin to read all, or none if one cannot be; return each with its weight. See Camera.begin()."""
    feeds: list[tuple[Feed, float]] = []
    try:
        for camera in cameras:
            feed = camera.begin(wake, told, epochs.get(camera.name, 0))
            feeds.append((feed, camera.weight))
    except BaseException:
        for feed, _ in feeds:
            feed.close()
        raise
    return feeds


def _check(value: float, what: str) -> None:
    if not 0 < value <= MOST:
        raise ValueError(f"{what} is above 0, and {MOST:.0f} at most, not {value:.15g}")


@dataclass(frozen=True)
class CameraStatus:
    """How a camera is, and what became of its frames since it began."""

    name: str
    weight: float
    source: SourceStatus
    """Of what it is read from; its counts of frames are until they reach the NPU."""
    detected: int
    """Frames that were detected in, and given to the sinks."""
    lost: int
    """Frames whose inference failed, or whose NPU core hung."""
    replaced: int
    """Good frames that a newer one replaced as they waited for the NPU; beside those in source.frames["dropped"]."""
    detect_fps: float
    """Frames a second that are detected in now, as measured; 0 while it gives none."""
    detect_age: float | None
    """Seconds since the newest frame that was detected in arrived; None before the first."""
    quiet: float
    """The same, but before the first since it was begun: what hangs at its first inference has an age too."""

    @property
    def up(self) -> bool:
        """Whether it gives frames."""
        return self.source.state == "live"
