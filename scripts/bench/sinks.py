"""What sinks cost a live run: frames that simulated cores answer beside each sink, healthy and stuck, and its CPU.

    python scripts/bench/sinks.py [SECONDS [FPS]]

Prints for each sink the frames in SECONDS relative to those without any, rounds interleaved, and the process's CPU time
a frame above that without.
"""

from __future__ import annotations

import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import cv2
import numpy as np

from yolorknn.measure.simulated_npu import SimulatedNpu
from yolorknn.predict.detector import Detector
from yolorknn.stream.sinks.csv_rows import CsvRows
from yolorknn.stream.sinks.json_lines import JsonLines
from yolorknn.stream.sinks.mqtt.address import Address
from yolorknn.stream.sinks.mqtt.sink import MqttSink
from yolorknn.stream.sinks.queued import Queued
from yolorknn.stream.sinks.segments import Segments
from yolorknn.stream.sinks.sink import Sink
from yolorknn.stream.sources.source import Frame
from yolorknn.tasks.task import Wording

ROOT = Path(__file__).resolve().parents[2]
MODEL = ROOT / "models/demo.onnx"
SIZE = (640, 360)
ROUNDS = 5
OBJECTS = 5


class Camera:
    """Pictures of 640x360."""

    name, live = "camera0", True
    count: int | None = None

    def __init__(self, fps: float) -> None:
        self.fps = fps
        image = cv2.imread(str(sorted((ROOT / "dataset/images").glob("*.jpg"))[0]))
        assert image is not None
        big = cv2.resize(image, (SIZE[0] + 60, SIZE[1] + 60))
        self._images = [np.ascontiguousarray(big[n : n + SIZE[1], n : n + SIZE[0]]) for n in range(60)]
        self._number = 0
        self._next = time.monotonic()
        self.ended = False

    def read(self) -> Frame | None:
        """Return the next when it is due."""
        self._next += 1 / self.fps
        time.sleep(max(0.0, self._next - time.monotonic()))
        self._number += 1
        return None if self.ended else Frame(self._images[self._number % 60], time.time(), self.name)

    def close(self) -> None:
        """Hold nothing."""


class Stuck:
    """A sink whose first write ends with the run."""

    def __init__(self, go: threading.Event) -> None:
        self._go = go

    def write(self, _: object) -> None:
        """Wait."""
        self._go.wait()

    def close(self) -> None:
        """Hold nothing."""


def broker(stack: ExitStack, folder: Path) -> Address | None:
    """Start mosquitto, where there is one."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    config = folder / "mosquitto.conf"
    config.write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous true\n" + ("user root\n" if not os.geteuid() else "")
    )
    try:
        process = subprocess.Popen(
            ["mosquitto", "-c", str(config)],
            stderr=subprocess.DEVNULL,
            env={"PATH": "/usr/sbin:/usr/bin:/usr/local/sbin"},
        )
    except FileNotFoundError:
        return None
    stack.callback(process.wait)
    stack.callback(process.terminate)
    time.sleep(0.5)
    return Address("127.0.0.1", port)


def measure(opened: Callable[[], list[Sink]], seconds: float, fps: float) -> tuple[int, float]:
    """Return frames that were detected in so many seconds, and CPU seconds for each."""
    with Detector(MODEL, max_det=OBJECTS, backends=[SimulatedNpu(MODEL, 20) for _ in range(2)]) as detector:
        camera, sinks, frames = Camera(fps), opened(), 0
        with detector.stream(camera) as stream:
            next(stream)
            begun, cpu = time.monotonic(), time.process_time()
            for result in stream:
                for sink in sinks:
                    sink.write(result)
                frames += 1
                if time.monotonic() - begun >= seconds:
                    camera.ended = True
                    break
            cpu = time.process_time() - cpu
        for sink in sinks:
            sink.close()
    return frames, cpu / frames


def kinds(
    folder: Path, wording: Wording, address: Address | None, go: threading.Event, fps: float
) -> Iterator[tuple[str, Callable[[], list[Sink]]]]:
    """Yield the sinks to compare, by name; the first is none."""
    counter = iter(range(1000))

    def path(suffix: str) -> Path:
        return folder / f"{next(counter)}{suffix}"

    def lines() -> Sink:
        where = path(".jsonl")
        return Queued(lambda: JsonLines(where, wording), name="lines", most=256, pixels=False)

    def rows() -> Sink:
        where = path(".csv")
        return Queued(lambda: CsvRows(where, wording), name="rows", most=256, pixels=False)

    def record() -> Sink:
        where = path("")
        return Queued(lambda: Segments(where, name="camera0", fps=fps, names=wording.names), name="record", drop="new")

    def stuck() -> Sink:
        return Queued(lambda: Stuck(go), name="stuck", patience=0.01, told=lambda _: None)

    def mqtt() -> Sink:
        assert address is not None
        return MqttSink(address, "camera0", names=wording.names, memory=folder)

    yield "none", list
    yield "JSON lines", lambda: [lines()]
    yield "CSV", lambda: [rows()]
    yield "record", lambda: [record()]
    if address:
        yield "MQTT", lambda: [mqtt()]
        yield "all of these", lambda: [lines(), rows(), record(), mqtt()]
    yield "one that is stuck", lambda: [stuck()]
    yield "four that are stuck", lambda: [stuck() for _ in range(4)]


def main(seconds: float = 4.0, fps: float = 30.0) -> None:
    """Measure all in turn, several times."""
    go = threading.Event()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        address = broker(stack, folder)
        with Detector(MODEL, backends=[SimulatedNpu(MODEL, 20)]) as detector:
            wording = Wording.of(detector.metadata)
        chosen = dict(kinds(folder, wording, address, go, fps))
        found: dict[str, list[tuple[int, float]]] = {name: [] for name in chosen}
        for _ in range(ROUNDS):
            for name, opened in chosen.items():
                found[name].append(measure(opened, seconds, fps))
        go.set()
    base = found["none"]
    for name, values in found.items():
        ratio = statistics.median(frames / other for (frames, _), (other, _) in zip(values, base, strict=True))
        cost = statistics.median(cpu - other for (_, cpu), (_, other) in zip(values, base, strict=True))
        print(f"{name:<20} {ratio:.3f} of the frames, {1000 * cost:+.2f} ms of CPU a frame")


if __name__ == "__main__":
    main(*map(float, sys.argv[1:]))
