"""What a stream gives for each frame, and the same as JSON values."""

from __future__ import annotations

from typing import Any, Generic, NamedTuple

from yolorknn.image import Image
from yolorknn.tasks.classification import Found
from yolorknn.tasks.known import showing
from yolorknn.tasks.task import Wording


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

    def __new__(  # noqa: PLR0917  four that are a tuple's, and two beside them
        cls, frame: Image, index: int, timestamp: float, detections: Found, timings: Timings, source: str
    ) -> Result[Found]:
        """Keep the timings and the source beside the four."""
        result = super().__new__(cls, (frame, index, timestamp, detections))
        result._timings, result._source = timings, source
        return result

    _timings: Timings
    _source: str

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
        """Seconds: position in a video file, Unix time of capture otherwise."""
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
        """Path of the image file, or name of the video, camera or stream."""
        return self._source

    __eq__, __ne__, __hash__ = object.__eq__, object.__ne__, object.__hash__  # a tuple's would compare pictures

    def __repr__(self) -> str:
        height, width = self.frame.shape[:2]
        return f"Result({width}x{height}, {self.index}, {self.timestamp}, {self.detections}, {self.timings})"

    def __getnewargs__(self) -> tuple[Image, int, float, Found, Timings, str]:  # to be copied
        return (*self, self.timings, self.source)


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
        task.key: task.record(result.detections, wording),
    }
