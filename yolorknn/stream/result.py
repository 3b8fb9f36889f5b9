"""What a stream gives for each frame, and the same as JSON values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, Literal, NamedTuple, TypeAlias

import numpy as np

from yolorknn.image import Image
from yolorknn.stream.scene import EMPTY, Event, Scene, scene_record
from yolorknn.tasks.classification import Found
from yolorknn.tasks.known import showing
from yolorknn.tasks.task import Wording

Clock = Literal["video", "unix"]
"""Seconds from the beginning of the video file, or Unix time, at which the frame was captured or read."""
Words: TypeAlias = "Wording | Callable[[Result[Any]], Wording]"
"""How results are said; of several models, each in its own words."""
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

    def __new__(  # noqa: PLR0917  four that are a tuple's, and others beside them
        cls,
        frame: Image,
        index: int,
        timestamp: float,
        detections: Found,
        timings: Timings,
        source: str,
        clock: Clock = "unix",
        camera: str = "",
        epoch: int = 0,
        arrived: float = 0.0,
        scene: Scene = EMPTY,
    ) -> Result[Found]:
        """Keep the timings and where the frame is from beside the four."""
        result = super().__new__(cls, (frame, index, timestamp, detections))
        result._timings, result._source, result._clock = timings, source, clock
        result._camera, result._epoch, result._arrived, result._scene = camera, epoch, arrived, scene
        return result

    _timings: Timings
    _source: str
    _clock: Clock
    _camera: str
    _epoch: int
    _arrived: float
    _scene: Scene

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

    @property
    def camera(self) -> str:
        """Name of the camera, where a stream is of several; else empty."""
        return self._camera

    @property
    def epoch(self) -> int:
        """Of a camera or stream: 1 for its first connection, and one more with each further one, or another size.

        Positions in one epoch say nothing of those in another. 0 for files.
        """
        return self._epoch

    @property
    def arrived(self) -> float:
        """When a camera's or stream's frame arrived here, in seconds of time.monotonic(); 0 for files."""
        return self._arrived

    @property
    def scene(self) -> Scene:
        """What steps know of it from the frames before: zones and lines; empty where there are none."""
        return self._scene

    @property
    def events(self) -> tuple[Event, ...]:
        """What happened, as it became known with this frame; see stream/scene.py."""
        return self._scene.events

    def with_scene(self, detections: Found, scene: Scene) -> Result[Found]:
        """Return the same frame's result with other detections and another scene."""
        timings, source, clock, camera, epoch, arrived, _ = self._beside()
        return Result(
            self.frame, self.index, self.timestamp, detections, timings, source, clock, camera, epoch, arrived, scene
        )

    __eq__, __ne__, __hash__ = object.__eq__, object.__ne__, object.__hash__  # a tuple's would compare pictures

    def __repr__(self) -> str:
        height, width = self.frame.shape[:2]
        return f"Result({width}x{height}, {self.index}, {self.timestamp}, {self.detections}, {self.timings})"

    def __getnewargs__(self) -> tuple[Any, ...]:  # to be copied
        return (*self, *self._beside())

    def _beside(self) -> tuple[Any, ...]:
        """Return what is no part of the tuple, the scene last."""
        return (self.timings, self.source, self.clock, self.camera, self.epoch, self.arrived, self.scene)


def without_pixels(result: Result[Found]) -> Result[Found]:
    """Return the result with a black frame of the same size that takes no memory, for what only asks its size."""
    frame = np.broadcast_to(np.uint8(0), result.frame.shape)
    return Result(frame, *result.__getnewargs__()[1:])


def wording_of(words: Words, result: Result[Any]) -> Wording:
    """Return how a result is to be said."""
    return words if isinstance(words, Wording) else words(result)


def record(result: Result[Any], words: Words) -> dict[str, Any]:
    """Return one frame's results as plain JSON values; pixels are the frame's, the most confident is first."""
    wording = wording_of(words, result)
    height, width = result.frame.shape[:2]
    task = showing(result.detections)
    camera = {"camera": result.camera} if result.camera else {}
    epoch = {"epoch": result.epoch} if result.epoch else {}
    found = task.record(result.detections, wording)
    for entry, places in zip(found, result.scene.places, strict=False):
        entry["zones"] = list(places)
    return {
        "source": result.source,
        "frame": result.index,
        "timestamp": round(result.timestamp, 3),
        "width": width,
        "height": height,
        "clock": result.clock,
        "version": VERSION,
        **camera,
        **epoch,
        task.key: found,
        **scene_record(result.scene, wording.names),
    }
