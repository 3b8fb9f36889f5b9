"""ByteTrack, of the package `trackers`, in seconds, with numbers that are given once only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from yolorknn.errors import MissingDependencyError
from yolorknn.tasks.detections import Detections

HIGH = 0.25
"""Confidence from which an object may begin a track; less confident ones only go on with one. As in ultralytics."""
WIDER = 0.1
"""Of a box's sides, by which it is widened when boxes of two frames are compared (BIoU of C-BIoU, arXiv 2211.14317): at
five frames a second a small object has left its box."""
RATE = 30.0
"""Frames a second in which the tracker's noise and buffer are counted; the frames' own times say how many went by."""


def check_tracker() -> Any:
    """Return the package.

    Raises:
        MissingDependencyError: the package is not installed, or cannot be beside what is.
    """
    try:
        import trackers  # noqa: PLC0415
    except ImportError as exc:
        old = int(np.__version__.partition(".")[0]) < 2
        mend = (
            f"trackers needs numpy 2, and here is {np.__version__}, as rknn-toolkit2 wants it; make an environment "
            "without the toolkit, pip install '.[track]' there, and to build there too 'yolorknn toolkit install'"
        )
        raise MissingDependencyError("trackers 2.6", "track", "tracking", mend=mend if old else None) from exc
    return trackers


class Tracker:
    """Numbers the objects of one camera's frames, for as long as its connection is the same."""

    def __init__(self, lost: float, number: Callable[[], int]) -> None:
        """Begin.

        Args:
            lost: seconds without a sight after which an object that comes is another.
            number: gives a number that no other object has.

        Raises:
            MissingDependencyError: trackers is not installed.
        """
        package = check_tracker()
        self._tracker = package.ByteTrackTracker(
            iou=package.BIoU(WIDER),
            lost_track_buffer=max(1, round(lost * RATE)),
            frame_rate=RATE,
            track_activation_threshold=HIGH,
            high_conf_det_threshold=HIGH,
        )
        self._number = number
        self._numbers: dict[int, int] = {}

    def update(self, detections: Detections, moment: float) -> NDArray[np.int64]:
        """Return the number of each object, (N,); -1 of one that was not seen before.

        Args:
            detections: of the next frame.
            moment: seconds, more than before.
        """
        import supervision  # noqa: PLC0415  comes with trackers

        found = supervision.Detections(
            xyxy=detections.xyxy.copy(),
            confidence=detections.confidence.copy(),
            class_id=np.arange(len(detections)),  # which the tracker does not look at, and gives back in its order
        )
        tracked = self._tracker.update(found, timestamp=moment)
        self._forget()
        numbers = np.full(len(detections), -1, np.int64)
        if len(tracked):
            numbers[tracked.class_id] = [self._own(int(one)) for one in tracked.tracker_id]
        return numbers

    @property
    def alive(self) -> frozenset[int]:
        """The numbers of objects that may be seen again."""
        return frozenset(self._numbers.values())

    def _own(self, number: int) -> int:
        if number < 0:
            return -1
        if number not in self._numbers:
            self._numbers[number] = self._number()
        return self._numbers[number]

    def _forget(self) -> None:
        alive = {track.tracker_id for track in self._tracker.tracks}
        for number in self._numbers.keys() - alive:
            del self._numbers[number]
