"""Cameras that fail one after the other for as long as is wanted, and what became of each, of the others, of memory."""

from __future__ import annotations

import gc
import itertools
import os
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.fakes.cameras import Cameras
from tests.fakes.clips import drawn, is_whole
from tests.fakes.watched import WholeBackend, watched_detector
from yolorknn.live.camera import Camera
from yolorknn.live.watcher import Watcher
from yolorknn.runtime.memory import resident_mb, share_arena
from yolorknn.stream.result import Result

EVERY = 5.0
"""Seconds from one fault to the next."""


@dataclass(frozen=True)
class Fault:
    """What a camera does, for how long, and what ends it."""

    name: str
    begins: tuple[str, ...]
    ends: tuple[str, ...] = ()
    seconds: float = 0.0


FAULTS = (
    Fault("connection ended", ("cut fin",)),
    Fault("connection reset", ("cut rst",)),
    Fault("off", ("down rst",), ("up",), 4.0),
    Fault("stalled", ("stalled=1",), ("stalled=0",), 4.0),
    Fault("damaged pictures", ("corrupting=8",)),
    Fault("lost pictures", ("skipping=2",)),
    Fault("times jump", ("jump 100",)),
    Fault("times jump back", ("jump -300",)),
    Fault("another size", ("size 192 256", "cut fin"), ("size 256 320", "cut fin"), 2.0),
    Fault("mute", ("mute=1", "cut fin"), ("mute=0", "cut fin"), 3.0),
    Fault("no video", ("bad_sdp=1", "cut fin"), ("bad_sdp=0",), 3.0),
    Fault("off for long", ("down fin",), ("up",), 9.0),
)


class _Looks:
    """A sink that looks at each picture."""

    def __init__(self) -> None:
        self.damaged = Counter[str]()
        self.newest: dict[str, tuple[int, float]] = {}
        """By camera: epoch and arrival of the newest picture."""
        self.changed = threading.Condition()

    def write(self, result: Result[Any]) -> None:
        if not is_whole(result.frame):
            self.damaged[result.camera] += 1
        with self.changed:
            self.newest[result.camera] = (result.epoch, result.arrived)
            self.changed.notify_all()

    def close(self) -> None:
        pass


@dataclass
class Figures:
    """What came of it."""

    seconds: float = 0.0
    back: list[tuple[str, float, float]] = field(default_factory=list)
    """Of each fault: its name, how long it was, and the seconds from its end to the next picture detected in."""
    damaged: int = 0
    """Pictures detected in that were not whole."""
    served: dict[str, int] = field(default_factory=dict)
    """By camera: frames that were detected in."""
    lost: dict[str, int] = field(default_factory=dict)
    """By camera: good frames that were not."""
    threads: int = 0
    """More than when every camera was first live."""
    files: int = 0
    losses: dict[str, int] = field(default_factory=dict)
    """By reason, of all cameras."""
    held: list[float] = field(default_factory=list)
    """Megabytes after each fault."""


def soak(
    folder: Path, seconds: float, *, cameras: int = 8, fps: int = 10, inference: float = 0.02, faults: bool = True
) -> Figures:
    """Watch cameras for so many seconds while they fail; three cores of `inference` seconds."""
    share_arena()  # as the commands do
    figures, looks = Figures(), _Looks()
    for size, number in itertools.product(((256, 320), (192, 256)), range(50)):
        is_whole(drawn(number, size))  # it keeps them, which is not to count
    served = Cameras(cameras, fps)
    named = [Camera(f"cam{number}", url) for number, url in enumerate(served.urls)]
    try:
        backends = [WholeBackend(inference, looks=False) for _ in range(3)]
        with (
            watched_detector(folder, backends) as detector,
            Watcher(detector, named, [looks], told=lambda _: None) as watcher,
        ):
            for camera in named:
                _wait(looks, camera.name, 0, 0.0)
            time.sleep(3)
            before = _resources()
            counts = {status.name: status.detected for status in watcher.status()}
            begun = time.monotonic()
            _fail(served, looks, figures, named, begun + seconds, faults=faults)
            figures.seconds = time.monotonic() - begun
            time.sleep(1)
            after = _resources()
            for status in watcher.status():
                figures.served[status.name] = status.detected - counts[status.name]
                figures.lost[status.name] = status.replaced + status.source.frames["dropped"] + status.lost
                for reason, count in status.source.losses.items():
                    figures.losses[reason] = figures.losses.get(reason, 0) + count
    finally:
        served.close()
    figures.damaged = sum(looks.damaged.values())
    figures.threads, figures.files = after[0] - before[0], after[1] - before[1]
    return figures


def _fail(served: Cameras, looks: _Looks, figures: Figures, named: list[Camera], last: float, *, faults: bool) -> None:
    turns: Iterator[tuple[int, Fault]] = ((turn % len(named), FAULTS[turn % len(FAULTS)]) for turn in itertools.count())
    while time.monotonic() + EVERY < last:
        due = time.monotonic() + EVERY
        if faults:
            number, fault = next(turns)
            name = named[number].name
            epoch = looks.newest[name][0]
            for what in fault.begins:
                served.tell(number, what)
            time.sleep(fault.seconds)
            for what in fault.ends:
                served.tell(number, what)
            ended = time.monotonic()
            cut = any(what.startswith(("cut", "down")) for what in fault.begins)
            _wait(looks, name, epoch + cut, ended)
            figures.back.append((fault.name, fault.seconds, time.monotonic() - ended))
            figures.held.append(resident_mb())
        time.sleep(max(0.0, due - time.monotonic()))


def _wait(looks: _Looks, name: str, epoch: int, moment: float) -> None:
    """Wait until a picture of this epoch or a later one, that came after the moment, was detected in."""

    def there() -> bool:
        newest = looks.newest.get(name, (-1, 0.0))
        return newest[0] >= epoch and newest[1] > moment

    with looks.changed:
        assert looks.changed.wait_for(there, timeout=90), f"{name} did not come back"


def _resources() -> tuple[int, int]:
    gc.collect()
    return threading.active_count(), len(os.listdir("/proc/self/fd"))
