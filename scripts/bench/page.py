"""What the page costs beside MQTT, recording and zones: live latency in inferences, and the process's CPU a frame.

    python scripts/bench/page.py [SECONDS [FPS]]

One RTSP camera of 640x360 in a process of its own, three simulated cores of 20 ms. Prints latency from a frame's
arrival to its result, p50 and p99, without anything and with all; the CPU time a frame of all above that without; how
soon the first picture comes over HTTP; and what twenty viewers who never read cost.
"""

from __future__ import annotations

import contextlib
import functools
import http.client
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

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.fakes.clips import encoded  # noqa: E402
from tests.fakes.mosquitto import Broker  # noqa: E402
from tests.fakes.rtsp import RtspCamera  # noqa: E402
from tests.fakes.served import NAMES, FindsThree  # noqa: E402
from tests.fakes.watched import WATCHED, watched_detector  # noqa: E402
from yolorknn.live.camera import Camera  # noqa: E402
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


def measured(ages: list[float], seconds: float) -> tuple[list[float], float]:
    """Return latencies, and CPU seconds a frame, over so many seconds."""
    time.sleep(LEFT_OUT)
    begun, first = time.process_time(), len(ages)
    time.sleep(seconds)
    frames = ages[first:]
    return frames, (time.process_time() - begun) / len(frames)


def tell(what: str, ages: list[float]) -> None:
    """Print latencies in inferences."""
    cuts = statistics.quantiles(ages, n=100)
    print(f"{what}: p50 {cuts[49] / INFERENCE:.2f}, p99 {cuts[98] / INFERENCE:.2f} inferences; {len(ages)} frames")


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


def run(folder: Path, url: str, seconds: float, *, page: bool, rest: bool = False) -> float:
    """Watch, with a page and zones, and with MQTT and a recording; return CPU seconds a frame."""
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
            zone = Zone("all", ((0, 0), (1, 0), (1, 1)))
            steps = {"door": [stack.enter_context(closing(Tracking(wording.names, zones=[zone], track=False)))]}
        settings = Settings({"door": NAMES}) if page else None
        watcher = Watcher(detector, [Camera("door", url)], sinks, steps=steps, settings=settings)
        stack.enter_context(watcher)
        if not page:
            found, cpu = measured(ages, seconds)
            tell("alone", found)
            return cpu
        served = stack.enter_context(Page(watcher, hub, port=0))
        time.sleep(LEFT_OUT)
        print(f"first picture over HTTP: {1000 * first_picture(served):.0f} ms")
        with viewer(served):
            found, cpu = measured(ages, seconds)
        tell(f"with a page that is looked at{', MQTT, recording' if rest else ''} and zones", found)
        slow_viewers(served, hub)
        return cpu


def main() -> None:
    """Measure."""
    if sys.argv[1:2] == ["--camera"]:
        with RtspCamera(encoded(SIZE, fps=int(sys.argv[2]))) as served:
            print(served.url, flush=True)
            threading.Event().wait()
    seconds, fps = float(sys.argv[1] if sys.argv[1:] else 15), int(sys.argv[2] if sys.argv[2:] else 25)
    with camera(fps) as url, tempfile.TemporaryDirectory() as folder:
        measure = functools.partial(run, Path(folder), url, seconds)
        alone, page, all_of_it = measure(page=False), measure(page=True), measure(page=True, rest=True)
    print(f"CPU a frame: {1000 * alone:.2f} ms alone; {1000 * (page - alone):.2f} ms more with the page and zones,")
    print(f"  {1000 * (all_of_it - alone):.2f} ms with MQTT and the recording too")


if __name__ == "__main__":
    main()
