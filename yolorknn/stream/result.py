"""What a stream gives for each frame, and the same as JSON lines."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from yolorknn.files import writing
from yolorknn.image import Image
from yolorknn.tasks.detections import Detections


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


class Result(tuple[Image, int, float, Detections]):
    """What a stream yields for one frame; it unpacks as frame, index, timestamp, detections.

    A tuple of these four, as that is what lets type checkers know each of them. Two results are equal if they are one.
    """

    def __new__(cls, frame: Image, index: int, timestamp: float, detections: Detections, timings: Timings) -> Result:
        """Keep the timings beside the four."""
        result = super().__new__(cls, (frame, index, timestamp, detections))
        result._timings = timings
        return result

    _timings: Timings

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
    def detections(self) -> Detections:
        """What was found in it."""
        return self[3]

    @property
    def timings(self) -> Timings:
        """How long each stage took."""
        return self._timings

    __eq__, __ne__, __hash__ = object.__eq__, object.__ne__, object.__hash__  # a tuple's would compare pictures

    def __repr__(self) -> str:
        height, width = self.frame.shape[:2]
        return f"Result({width}x{height}, {self.index}, {self.timestamp}, {self.detections}, {self.timings})"

    def __getnewargs__(self) -> tuple[Image, int, float, Detections, Timings]:  # to be copied
        return (*self, self.timings)


def record(result: Result, *, source: str, names: Mapping[int, str]) -> dict[str, Any]:
    """Return one frame's results as plain JSON values; boxes in pixels, the most confident first."""
    height, width = result.frame.shape[:2]
    return {
        "source": source,
        "frame": result.index,
        "timestamp": round(result.timestamp, 3),
        "width": width,
        "height": height,
        "detections": [
            {
                "class_id": class_id,
                "name": names[class_id],
                "confidence": round(confidence, 4),
                "xyxy": [round(float(side), 2) for side in xyxy],
            }
            for xyxy, confidence, class_id in result.detections
        ],
    }


class JsonLines:
    """Writes one JSON object a line, flushed, so that the file is readable at any moment. "-" is stdout.

    Raises:
        OutputError: the file cannot be written.
    """

    def __init__(self, target: str | Path) -> None:
        """Open the target; a file is replaced."""
        self._path = Path(target)
        self._file: TextIO
        if str(target) == "-":
            self._file = sys.stdout
        else:
            with writing(self._path):
                self._path.parent.mkdir(parents=True, exist_ok=True)
                self._file = self._path.open("w", encoding="utf-8")

    def write(self, values: Mapping[str, Any]) -> None:
        """Append one object."""
        with writing(self._path):
            self._file.write(json.dumps(values, ensure_ascii=False) + "\n")
            self._file.flush()

    def __enter__(self) -> JsonLines:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not sys.stdout:
            with writing(self._path):
                self._file.close()
