"""What the page, tracking, zones, MQTT and recording cost: live latency in inferences, and the process's CPU a frame.

    python scripts/bench/page.py [SECONDS [FPS]]

In a Python without trackers, as beside rknn-toolkit2, nothing is tracked, which is said. One RTSP camera of 640x360 in
a process of its own, three simulated cores of 20 ms, of which each finds three objects. Prints latency from a frame's
arrival to its result, p50 and p99, without anything and with all; the CPU time a frame of all above that without, the
median of ROUNDS, interleaved; how soon the first picture comes over HTTP; and what twenty viewers who never read cost.
"""

from __future__ import annotations

import contextlib
import functools
import http.client
import importlib.util
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.fakes.clips import encoded  # noqa: E402
from tests.fakes.mosquitto import Broker  # noqa: E402
from tests.fakes.rtsp import RtspCamera  # noqa: E402
from tests.fakes.served import NAMES, FindsThree  # noqa: E402
from tests.fakes.watched import WATCHED, watched_detector  # noqa: E402
from yolorknn.live.camera import Camera  # noqa: E402
from yolorknn.live.camera_settings import CameraSettings  # noqa: E402
from yolorknn.live.settings import Settings  # noqa: E402
from yolorknn.live.watcher import Watcher  # noqa: E402
from yolorknn.runtime.memory import resident_mb  # noqa: E402
from yolorknn.serve.hub import Hub  # noqa: E402
from yolorknn.serve.page import Page  # noqa: E402
from yolorknn.stream.sinks.callback import Callback  # noqa: E402
from yolorknn.stream.sinks.mqtt.sink import MqttSink  # noqa: E402
from yolorknn.stream.sinks.opening import open_segments  # noqa: E402
from yolorknn.stream.sinks.sink import Sink  # noqa: E402
from yolorknn.tasks.task import Wording  # noqa: E402
from yolorknn.tracking.tracking import Tracking  # noqa: E402
from yolorknn.tracking.zones import Zone  # noqa: E402

INFERENCE = 0.02
SIZE = (360, 640)
TRACKS = importlib.util.find_spec("trackers") is not None
"""Whether objects are tracked."""
ROUNDS = 3
LEFT_OUT = 2.0
"""Seconds at the beginning that are not counted."""


@contextlib.contextmanager
def camera(fps: int) -> Iterator[str]:
    """Serve one in a process of its own."""
    child = subprocess.Popen([sys.executable, __file__, "--camera", str(fps)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    try:
        yield child.stdout.readline().strip()
    finally:
        child.kill()
        child.wait()


@contextlib.contextmanager
def viewer(page: Page) -> Iterator[None]:
    """Look, in a process of its own."""
    child = subprocess.Popen(["curl", "-sN", "-o", "/dev/null", f"{page.url}/api/v1/stream"])
    try:
        yield
    finally:
        child.kill()
        child.wait()


class Figures(NamedTuple):
    """Of one run."""

    ages: list[float]
    """Latencies, in seconds."""
    cpu: float
    """Seconds a frame."""


def measured(ages: list[float], seconds: float) -> Figures:
    """Measure for so many seconds."""
    time.sleep(LEFT_OUT)
    begun, first = time.process_time(), len(ages)
    time.sleep(seconds)
    frames = ages[first:]
    return Figures(frames, (time.process_time() - begun) / len(frames))


def tell(what: str, runs: list[Figures], above: float = 0.0) -> float:
    """Print latencies in inferences, and CPU time above that of another; return the CPU time."""
    ages = [age for run in runs for age in run.ages]
    cuts, cpu = statistics.quantiles(ages, n=100), statistics.median(run.cpu for run in runs)
    latency = f"p50 {cuts[49] / INFERENCE:.2f}, p99 {cuts[98] / INFERENCE:.2f} inferences of {len(ages)} frames"
    print(f"{what}: {latency}, {1000 * (cpu - above):.2f} ms of CPU a frame{' more' if above else ''}")
    return cpu


def first_picture(page: Page) -> float:
    """Return the seconds from asking for a picture to having it."""
    begun = time.monotonic()
    asked = http.client.HTTPConnection(page.url.removeprefix("http://"), timeout=10)
    asked.request("GET", "/api/v1/cameras/door/snapshot")
    answer = asked.getresponse()
    assert answer.status == 200 and answer.read()[:2] == b"\xff\xd8"
    asked.close()
    return time.monotonic() - begun


def slow_viewers(page: Page, hub: Hub, seconds: float = 3.0) -> None:
    """Print what twenty who never read cost."""
    host, _, port = page.url.removeprefix("http://").partition(":")
    before, encoded_before = resident_mb(), hub.encoded
    slow = [socket.create_connection((host, int(port)), 10) for _ in range(20)]
    for each in slow:
        each.sendall(b"GET /api/v1/stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
    time.sleep(seconds)
    each_mb = (resident_mb() - before) / len(slow)
    print(f"20 who never read: {each_mb:.2f} MB each, {hub.encoded - encoded_before} encodings in {seconds:g} s")
    for each in slow:
        each.close()


def run(folder: Path, url: str, seconds: float, *, page: bool, rest: bool = False, slow: bool = False) -> Figures:
    """Watch, with a page, tracking and zones, and with MQTT and a recording; at the end with slow viewers."""
    ages: list[float] = []
    with ExitStack() as stack:
        wording = Wording.of(WATCHED)
        hub = stack.enter_context(closing(Hub({"door": wording})))
        detector = stack.enter_context(watched_detector(folder, [FindsThree(INFERENCE, looks=False) for _ in range(3)]))
        sinks: list[Sink] = [Callback(lambda result: ages.append(time.monotonic() - result.arrived))]
        steps = {}
        if rest:
            broker = Broker(folder, persistent=False)
            stack.callback(broker.process.kill)  # type: ignore[union-attr]
            opened: list[Sink] = [
                MqttSink(broker.address, "door", names=wording.names, board="bench", memory=folder / "mqtt"),
                open_segments(
                    folder / "video", name="door", fps=25, names=wording.names, quota=1 << 30, live=True, told=print
                ),
            ]
            sinks += [stack.enter_context(closing(sink)) for sink in opened]
        if page:
            sinks.append(hub)
            steps = {"door": [stack.enter_context(closing(Tracking(wording.names, track=TRACKS)))]}
        zone = Zone("all", ((0, 0), (1, 0), (1, 1)))
        settings = Settings({"door": NAMES}, {"door": CameraSettings(zones=(zone,))}) if page else None
        watcher = Watcher(detector, [Camera("door", url)], sinks, steps=steps, settings=settings)
        stack.enter_context(watcher)
        if not page:
            return measured(ages, seconds)
        served = stack.enter_context(Page(watcher, hub, port=0))
        time.sleep(LEFT_OUT)
        if slow:
            print(f"first picture over HTTP: {1000 * first_picture(served):.0f} ms")
        with viewer(served):
            found = measured(ages, seconds)
        if slow:
            slow_viewers(served, hub)
        return found


def main() -> None:
    """Measure."""
    if sys.argv[1:2] == ["--camera"]:
        with RtspCamera(encoded(SIZE, fps=int(sys.argv[2]))) as served:
            print(served.url, flush=True)
            threading.Event().wait()
    seconds, fps = float(sys.argv[1] if sys.argv[1:] else 8), int(sys.argv[2] if sys.argv[2:] else 25)
    alone, page, every = list[Figures](), list[Figures](), list[Figures]()
    with camera(fps) as url, tempfile.TemporaryDirectory() as folder:
        for number in range(ROUNDS):
            measure = functools.partial(run, Path(folder), url, seconds)
            alone.append(measure(page=False))
            page.append(measure(page=True))
            every.append(measure(page=True, rest=True, slow=number == ROUNDS - 1))
    before = tell("alone", alone)
    looked = f"with a page that is looked at, zones{', tracking' if TRACKS else ''}"
    tell(looked, page, before)
    tell(f"{looked}, MQTT, recording", every, before)
    if not TRACKS:
        print("nothing was tracked: trackers is not installed here")


if __name__ == "__main__":
    main()
