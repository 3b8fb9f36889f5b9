"""How everything that is watched does, as plain JSON values: cameras, cores, sinks, heat."""

from __future__ import annotations

import itertools
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from yolorknn.live.camera import CameraStatus
from yolorknn.live.progress import FRAMES, Progress
from yolorknn.live.watcher import Watcher
from yolorknn.serve.hub import Hub
from yolorknn.stream.sinks.sink_state import SinkState

THERMAL, DEVFREQ = Path("/sys/class/thermal"), Path("/sys/class/devfreq")
SPAN = 5
"""Seconds over which cores' work is averaged."""
READY = 10.0
"""Seconds without a result of any camera after which nothing makes progress."""


class Watched:
    """All watchers of a process, seen together; threads may share it.

    Args:
        watchers: started; each camera's name is its own among all of them.
        hub: a sink of all of them.
        thermal: where the kernel shows its thermal zones.
        devfreq: where it shows the clocks of devices.
    """

    def __init__(
        self, watchers: Sequence[Watcher], hub: Hub, *, thermal: Path = THERMAL, devfreq: Path = DEVFREQ
    ) -> None:
        self.hub, self._thermal, self._devfreq = hub, thermal, devfreq
        self._begun = time.monotonic()
        self._progress = {watcher: Progress() for watcher in watchers}  # never changed, but replaced
        self._get_on = True
        self._samples: deque[tuple[float, tuple[float, ...]]] = deque([self._sample()], maxlen=SPAN + 1)

    @property
    def watchers(self) -> tuple[Watcher, ...]:
        """All that are seen."""
        return tuple(self._progress)

    def fit(self, watchers: Sequence[Watcher]) -> None:
        """See these from now on, in place of those before; they are started."""
        self._progress = {watcher: self._progress.get(watcher) or Progress() for watcher in watchers}

    def watcher_of(self, camera: str) -> Watcher | None:
        """Return the watcher of a camera; None where there is no such camera."""
        return next((watcher for watcher in self.watchers if any(c.name == camera for c in watcher.cameras)), None)

    def cameras(self) -> list[dict[str, Any]]:
        """Return how every camera is, those that failed too."""
        return [self._camera(status) for watcher in self.watchers for status in watcher.status()]

    def about(self) -> list[dict[str, Any]]:
        """Return what stays the same of every camera: the classes and keypoints of its model."""
        return [
            {"name": camera.name, "task": task, "classes": list(names), "keypoints": list(keypoints)}
            for watcher in self.watchers
            for task, names, keypoints in [_said(watcher)]
            for camera in watcher.cameras
        ]

    def system(self) -> dict[str, Any]:
        """Return how the machine and what results go to does."""
        return {
            "cores": [{"core": number, "busy": busy} for number, busy in enumerate(self.busy())],
            "dead_cores": [why for watcher in self.watchers for why in watcher.loaded.dead],
            "temperatures": dict(self.temperatures()),
            "sinks": [vars(state) | {"lost": state.lost} for state in self.sinks()],
            "uptime": round(time.monotonic() - self._begun, 1),
        }

    def stuck(self) -> str:
        """Return why nothing makes progress; empty where some camera does."""
        if ended := next((watcher.error for watcher in self.watchers if watcher.error is not None), None):
            return f"detection ended: {ended}"
        fps = {camera.name: camera.fps for watcher in self.watchers for camera in watcher.cameras}
        statuses = [status for watcher in self.watchers for status in watcher.status()]
        if any(_is_recent(status.detect_age, fps.get(status.name)) for status in statuses):
            return ""
        ages = [status.detect_age for status in statuses]
        if all(age is None for age in ages):
            return "no camera has given a result yet"
        return f"no camera has given a result for {READY:g} seconds"

    def hung(self) -> bool:
        """Tell whether some watcher does not get on, as of the last tick: only a new process helps.

        Cameras that are lost are no reason while they are tried again.
        """
        return not self._get_on

    def busy(self) -> tuple[float, ...]:
        """Return how much of the last seconds each NPU core was in use for, 0 to 1."""
        (then, before), (now, after) = self._samples[0], self._samples[-1]
        if now <= then or len(before) != len(after):
            return (0.0,) * len(after)
        return tuple(round(min(1.0, max(0.0, b - a) / (now - then)), 3) for a, b in zip(before, after, strict=True))

    def tick(self) -> None:
        """Note what cores did, and whether watchers get on; called each second, by one thread."""
        self._samples.append(self._sample())
        get_on = [
            watcher.error is None and progress(watcher.status(), watcher.cameras)
            for watcher, progress in self._progress.items()
        ]  # each is to be asked
        self._get_on = all(get_on)

    def temperatures(self) -> Iterator[tuple[str, float]]:
        """Yield the thermal zones that can be read, and their degrees Celsius."""
        seen: set[str] = set()
        for zone in sorted(self._thermal.glob("thermal_zone*")):
            try:
                name, degrees = (zone / "type").read_text().strip(), int((zone / "temp").read_text()) / 1000
            except (OSError, ValueError):
                continue
            if name not in seen:
                seen.add(name)
                yield name, degrees

    def npu_clocks(self) -> Iterator[tuple[str, int]]:
        """Yield the NPUs whose clock can be read, and its hertz: a hot one is slowed down."""
        for npu in sorted(self._devfreq.glob("*npu*")):
            with suppress(OSError, ValueError):
                yield npu.name, int((npu / "cur_freq").read_text())

    def sinks(self) -> Iterator[SinkState]:
        """Yield how every sink with a queue does."""
        for sink in dict.fromkeys(sink for watcher in self.watchers for sink in watcher.sinks):
            for state in getattr(sink, "states", None) or [getattr(sink, "state", None)]:
                if isinstance(state, SinkState):
                    yield state

    def _sample(self) -> tuple[float, tuple[float, ...]]:
        """Note the time, and each core's seconds; models share cores, so that theirs are added."""
        each = itertools.zip_longest(*(watcher.loaded.busy for watcher in self.watchers), fillvalue=0.0)
        return time.monotonic(), tuple(map(sum, each))

    def _camera(self, status: CameraStatus) -> dict[str, Any]:
        source, feed = status.source, self.hub.cameras.get(status.name)
        latency = feed.latency.middle if feed is not None else None
        height, width = source.size or (None, None)
        without = time.monotonic() - self._begun if source.age is None else source.age
        return {
            "name": status.name,
            "source": source.source,
            "state": source.state,
            "up": status.up,
            "why": source.why,
            "since": round(time.time() - without, 3),
            "epoch": source.epoch,
            "width": width,
            "height": height,
            "fps": round(source.fps, 2),
            "detect_fps": round(status.detect_fps, 2),
            "age": _rounded(source.age),
            "detect_age": _rounded(status.detect_age),
            "latency": _rounded(latency),
            "frames": {
                **source.frames, "detected": status.detected, "lost": status.lost, "replaced": status.replaced,
            },
            "losses": dict(source.losses),
        }  # fmt: skip


def _said(watcher: Watcher) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    metadata = watcher.loaded.metadata
    return metadata.task, tuple(metadata.names), metadata.keypoints


def _is_recent(age: float | None, fps: float | None) -> bool:
    """Tell whether a result came lately, where so many frames a second are wanted at most."""
    return age is not None and age < max(READY, FRAMES / fps if fps else 0.0)


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 4)
