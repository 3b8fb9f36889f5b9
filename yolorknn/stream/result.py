"""What a stream gives for each frame, and the same as JSON values."""

from __future__ import annotations

from typing import Any, Generic, Literal, NamedTuple

from yolorknn.image import Image
from yolorknn.tasks.classification import Found
from yolorknn.tasks.known import showing
from yolorknn.tasks.task import Wording

Clock = Literal["video", "unix"]
"""Seconds from the beginning of the video file, or Unix time, at which the frame was captured or read."""
VERSION = 1
"""Of the records; it grows when a key gets another meaning or goes, not when one is added."""


class Timings(NamedTuple):
    """Seconds that one frame spent in each stage."""

    capture: float
    """Reading it from the source."""
    wait: float
    """For a worker and an NPU core."""
    preprocess: float
    """Letterbox."""
    infer: float
    """On the NPU core."""
    postprocess: float
    """Decode and NMS."""
    reorder: float
    """Finished, and waiting for the frames before it or for the caller."""


class Result(tuple[Image, int, float, Found], Generic[Found]):
    """What a stream yields for one frame; it unpacks as frame, index, timestamp, and what was found in it.

    A tuple of these four, as that is what lets type checkers know each of them. Two results are equal if they are one.
    """

    def __new__(  # noqa: PLR0917  four that are a tuple's, and three beside them
        cls,
        frame: Image,
        index: int,
        timestamp: float,
        detections: Found,
        timings: Timings,
        source: str,
        clock: Clock = "unix",
    ) -> Result[Found]:
        """Keep the timings, the source and the clock beside the four."""
        result = super().__new__(cls, (frame, index, timestamp, detections))
        result._timings, result._source, result._clock = timings, source, clock
        return result

    _timings: Timings
    _source: str
    _clock: Clock

    @property
    def frame(self) -> Image:
        """The frame as it was read: BGR, uint8 (H, W, 3)."""
        return self[0]

    @property
    def index(self) -> int:  # type: ignore[override]  # tuple's own searches
        """Number of the frame in the source, from 0; gaps are dropped frames."""
        return self[1]

    @property
    def timestamp(self) -> float:
        """When the frame was, in seconds on `clock`."""
        return self[2]

    @property
    def detections(self) -> Found:
        """What was found in it."""
        return self[3]

    @property
    def timings(self) -> Timings:
        """How long each stage took."""
        return self._timings

    @property
    def source(self) -> str:
        """What the frame is of: path of the image or video, camera0, or a stream's URL without its password."""
        return self._source

    @property
    def clock(self) -> Clock:
        """Whose time the timestamp is: "video", from the file's beginning, or "unix", of capture or reading."""
        return self._clock

    __eq__, __ne__, __hash__ = object.__eq__, object.__ne__, object.__hash__  # a tuple's would compare pictures

    def __repr__(self) -> str:
        height, width = self.frame.shape[:2]
        return f"Result({width}x{height}, {self.index}, {self.timestamp}, {self.detections}, {self.timings})"

    def __getnewargs__(self) -> tuple[Image, int, float, Found, Timings, str, Clock]:  # to be copied
        return (*self, self.timings, self.source, self.clock)


def record(result: Result[Any], wording: Wording) -> dict[str, Any]:
    """Return one frame's results as plain JSON values; pixels are the frame's, the most confident is first."""
    height, width = result.frame.shape[:2]
    task = showing(result.detections)
    return {
        "source": result.source,
        "frame": result.index,
        "timestamp": round(result.timestamp, 3),
        "width": width,
        "height": height,
        "clock": result.clock,
        "version": VERSION,
        task.key: task.record(result.detections, wording),
    }
