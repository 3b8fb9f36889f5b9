"""Whether a watcher gets on: alive is not enough."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from yolorknn.live.camera import Camera, CameraStatus

PATIENCE = 10.0
"""Seconds without a detected frame while a camera gives frames."""
RETRIED = 90.0
"""Seconds without a try while none does: more than the longest wait between two tries and what one takes."""
FRAMES = 3
"""Of the slowest camera: so many periods it may take."""


class Progress:
    """Compares what a watcher did with what it had done before."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: tuple[int, int] = (-1, -1)
        self._detected_at = self._tried_at = clock()

    def __call__(self, statuses: Sequence[CameraStatus], cameras: Sequence[Camera]) -> bool:
        """Tell whether frames are detected in, or, where no camera gives any, all that are lost are tried again."""
        now = self._clock()
        detected = sum(status.detected for status in statuses)
        tried = sum(sum(status.source.losses.values()) + status.source.epoch for status in statuses)
        if detected != self._seen[0]:
            self._detected_at = now
        if tried != self._seen[1] or all(status.source.state == "ended" for status in statuses):
            self._tried_at = now
        self._seen = (detected, tried)
        fps = {camera.name: camera.fps for camera in cameras}
        up = [status.name for status in statuses if status.up]
        if not up:
            self._detected_at = now  # they are to have their time again when they are back
            return now - self._tried_at < RETRIED
        self._tried_at = now
        slowest = min(fps.get(name) or FRAMES / PATIENCE for name in up)
        return now - self._detected_at < max(PATIENCE, FRAMES / slowest)
