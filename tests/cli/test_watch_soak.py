"""A whole site left alone: cameras fail, the broker goes and comes, somebody looks, and nothing grows.

    python -m pytest -s --all tests/cli/test_watch_soak.py -k hour

prints what came of an hour: memory, threads and files of the process, the age of each camera's frames, losses by cause.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import DEMO_ONNX, needs_ort
from tests.fakes.cameras import Cameras
from tests.fakes.mosquitto import Broker, needs_mosquitto, retained
from tests.fakes.soak import EVERY, FAULTS
from tests.fakes.waiting import until

httpx: Any = pytest.importorskip("httpx")
parser: Any = pytest.importorskip("prometheus_client.parser")
av: Any = pytest.importorskip("av")
pytestmark = [needs_ort, needs_mosquitto]

NAMES = ("door", "yard", "gate")
SITE = """
[models.demo]
file = "m.onnx"
{cameras}
[zones.porch]
camera = "door"
polygon = [[0.1, 0.1], [0.9, 0.1], [0.9, 0.9]]
[sinks]
json = "found.jsonl"
csv = "found.csv"
rotate = "10M"
record = "rec"
snapshots = "shots"
quota = "8M"
[mqtt]
host = "127.0.0.1"
port = {mqtt}
[page]
port = {page}
"""
AWAY = 65.0
"""Seconds after a fault in which a camera is back: the longest wait between tries, and a look each five seconds."""
AGED = 1.0
"""Seconds that the newest frame of a camera that does not fail is old, at most."""
WARM = 0.1
"""Share of the time after which memory is looked at."""
SETTLED = 600.0
"""Seconds from which on it is not to grow."""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


@contextlib.contextmanager
def watched(folder: Path, urls: list[str], broker: Broker) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """Run `yolorknn watch`; yield it and its page's address. It ends as one that is stopped does."""
    (folder / "m.onnx").write_bytes(DEMO_ONNX.read_bytes())
    cameras = "\n".join(f'[cameras.{name}]\nsource = "{url}"' for name, url in zip(NAMES, urls, strict=True))
    port = free_port()
    (folder / "site.toml").write_text(SITE.format(cameras=cameras, mqtt=broker.port, page=port))
    command = [sys.executable, "-m", "yolorknn", "watch", str(folder / "site.toml")]
    with (folder / "log").open("wb") as log:
        environment = {**os.environ, "XDG_STATE_HOME": str(folder / "state")}
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
    try:
        yield process, f"http://127.0.0.1:{port}"
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 130, (folder / "log").read_text()[-2000:]
    finally:
        process.kill()
        process.wait()


def metrics(page: str) -> dict[str, dict[tuple[str, ...], float]]:
    """Return what /metrics tells, by name and labels' values."""
    found: dict[str, dict[tuple[str, ...], float]] = defaultdict(dict)
    for family in parser.text_string_to_metric_families(httpx.get(f"{page}/metrics", timeout=30).text):
        for sample in family.samples:
            found[sample.name][tuple(sample.labels.values())] = sample.value
    return found


def up(page: str) -> bool:
    with contextlib.suppress(httpx.HTTPError):
        return sum(metrics(page)["yolorknn_camera_up"].values()) == len(NAMES)
    return False


def told(broker: Broker, payload: bytes = b"") -> set[str]:
    """Return of what is retained, or is `payload`, the last two words of a topic, if Home Assistant finds the board."""
    kept = retained(broker)
    found = any(topic.startswith("homeassistant/device/") for topic in kept)
    topics = [topic for topic, value in kept.items() if found and payload in (b"", value)]
    return {"/".join(topic.split("/")[-2:]) for topic in topics}


def resources(process: subprocess.Popen[bytes]) -> tuple[float, int, int]:
    """Return megabytes, threads and open files of a process."""
    told = dict(
        line.split(":\t", 1) for line in Path(f"/proc/{process.pid}/status").read_text().splitlines() if ":\t" in line
    )
    return (
        int(told["VmRSS"].split()[0]) / 1024,
        int(told["Threads"]),
        len(list(Path(f"/proc/{process.pid}/fd").iterdir())),
    )


def soak(folder: Path, seconds: float, restarts: int) -> None:
    """Let one site run so long, with a fault each EVERY seconds, and so many restarts of its broker."""
    broker, cameras = Broker(folder, persistent=False), Cameras(len(NAMES), 5)
    ages: dict[str, list[float]] = defaultdict(list)
    held: list[tuple[float, int, int]] = []
    failed: dict[str, float] = {}  # when the last fault of a camera ended that is not back
    restarted = 0
    try:
        with watched(folder, cameras.urls, broker) as (process, page):
            until(lambda: up(page), by=process)
            looks = subprocess.Popen(["curl", "-sN", "-o", "/dev/null", f"{page}/api/v1/stream"])
            begun, turn = time.monotonic(), 0
            while (gone := time.monotonic() - begun) < seconds:
                fault, number = FAULTS[turn % len(FAULTS)], (turn + turn // len(FAULTS)) % len(NAMES)
                for what in fault.begins:
                    cameras.tell(number, what)
                if (restarts + 1) * gone / seconds > restarted + 1 and restarted < restarts:
                    restarted += 1
                    broker.stop()
                    time.sleep(1)
                    broker.start()  # it has forgotten all
                    until(lambda: {f"{name}/status" for name in NAMES} <= told(broker))
                time.sleep(fault.seconds)
                for what in fault.ends:
                    cameras.tell(number, what)
                failed[NAMES[number]] = time.monotonic()
                turn += 1
                time.sleep(max(0.0, begun + turn * EVERY - time.monotonic()))
                for (name,), age in metrics(page)["yolorknn_frame_age_seconds"].items():
                    if name not in failed:
                        ages[name].append(age)
                    elif age < AGED:
                        del failed[name]
                    else:
                        assert time.monotonic() - failed[name] < AWAY, (name, fault)
                if gone > WARM * seconds:
                    held.append(resources(process))
            until(lambda: up(page), by=process)
            looks.kill()
            looks.wait()
            said = metrics(page)
            held.append(resources(process))
            until(lambda: {f"{name}/status" for name in NAMES} <= told(broker, b"online"))
        report(ages, held, said, turn, restarted)
    finally:
        cameras.close()
        broker.stop()
    check_files(folder)
    assert restarted == restarts
    for name, each in ages.items():
        assert statistics.median(each) < AGED and max(each) < 5, (name, max(each))
    assert not sum(said["yolorknn_sink_dropped_total"].values()), said["yolorknn_sink_dropped_total"]
    if seconds >= SETTLED:
        quarter = len(held) // 4
        early, late = (statistics.median(size for size, *_ in part) for part in (held[:quarter], held[-quarter:]))
        assert late < 1.05 * early, held
    assert held[-1][1] <= held[0][1] and held[-1][2] <= held[0][2] + 1, held


def report(
    ages: dict[str, list[float]], held: list[tuple[float, int, int]], said: Any, faults: int, restarts: int
) -> None:
    """Print the figures."""
    most = max(size for size, *_ in held)
    print(f"\n{faults} faults, {restarts} restarts of the broker")
    print(f"megabytes, threads, files: {held[0]} at first, {held[-1]} at last; at most {most:.0f} MB")
    for name, each in ages.items():
        print(f"{name}: newest frame {statistics.median(each):.2f} s old, at most {max(each):.2f}, as others fail")
    for series in ("yolorknn_frames_total", "yolorknn_reconnects_total", "yolorknn_sink_dropped_total"):
        totals: dict[str, float] = defaultdict(float)
        for labels, value in said[series].items():
            totals[labels[-1]] += value
        print(series, {what: int(count) for what, count in totals.items() if count})


def check_files(folder: Path) -> None:
    """Every line is whole, and every segment plays."""
    for file in folder.glob("found*.jsonl*"):
        assert all(json.loads(line)["camera"] in NAMES for line in file.read_bytes().splitlines()), file
    for file in folder.glob("found*.csv*"):
        assert len({row.count(b",") for row in file.read_bytes().splitlines()}) == 1, file
    segments = list((folder / "rec").glob("*.m*"))
    assert segments and not [file for file in segments if ".part." in file.name]
    for segment in segments:
        with av.open(str(segment)) as opened:
            assert sum(1 for _ in opened.decode(video=0)) > 0, segment


@pytest.mark.slow
def test_a_site_left_alone(tmp_path: Path) -> None:
    soak(tmp_path, 30, 1)


@pytest.mark.exhaustive
def test_a_site_left_alone_for_an_hour(tmp_path: Path) -> None:
    soak(tmp_path, 3600, 10)
