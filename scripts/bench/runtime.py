"""Run whole pipelines, 1080p frame to boxes, on a stand-in for librknnrt that costs what the real one costs.

    .venv/bin/python scripts/bench/runtime.py [--ms 8] [--contexts 1 2] [--convert-ms 0] [--busy 1]

The stand-in, tests/board/librknnrt.c, is compiled for this machine; each of its three cores is held --ms by an
inference, and its CPU part really converts, --convert-ms at least. The ways take turns, round by round:

    wheel   as rknn-toolkit-lite2 calls the library: float32 in fresh memory, four questions a call
    float   yolorknn's own calls, float32
    int8    yolorknn --runtime c
    ez      the package ztu-somemodelruntime-ez-rknn-async, where --ez names a folder that it is installed in (pip
            install --target), with our post-processing behind it; ez+ultralytics: with ultralytics' own
"""

from __future__ import annotations

import contextlib
import itertools
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from beside import ROOT, arguments

sys.path.insert(0, str(ROOT))

from pipelines import CORES, METADATA, WAYS, Ez, Ours

from tests.fakes.rknn_files import write_rknn
from tests.fakes.standin import compile_standin, write_replay
from yolorknn.measure.synthetic import pictures
from yolorknn.runtime.memory import resident_mb, share_arena
from yolorknn.tasks.known import task_of

SETTLED = 15
"""Frames at the beginning that are not counted."""


def measure(pipeline: Any, images: list[Any], seconds: float) -> tuple[float, float, float]:
    """Return frames/s, CPU milliseconds a frame, and the median latency in ms."""
    latencies: list[float] = []
    start = cpu = 0.0

    def stop() -> bool:
        return len(latencies) > SETTLED and time.perf_counter() - start >= seconds

    frames = pipeline.frames(itertools.cycle(images), stop)
    for latency in frames:
        latencies.append(latency)
        if len(latencies) == SETTLED:
            start, cpu = time.perf_counter(), time.process_time()
    elapsed, spent = time.perf_counter() - start, time.process_time() - cpu
    count = len(latencies) - SETTLED
    return count / elapsed, spent / count * 1000, statistics.median(latencies[SETTLED:]) * 1000


@contextlib.contextmanager
def busy(count: int) -> Iterator[None]:
    """Keep so many processes busy."""
    processes = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def main() -> None:
    """Compare, and print."""
    parser = arguments(__doc__, rounds=5)
    parser.add_argument("--ms", type=float, nargs="+", default=[8.0], help="of an inference (%(default)s)")
    parser.add_argument("--contexts", type=int, nargs="+", default=[1], help="on each core (%(default)s)")
    parser.add_argument("--convert-ms", type=float, default=0.0, help="that the outputs take at least (%(default)s)")
    parser.add_argument("--seconds", type=float, default=2.0, help="of a turn (%(default)s)")
    parser.add_argument("--busy", type=int, default=0, help="processes beside it that only use the CPU (%(default)s)")
    parser.add_argument("--ways", nargs="+", default=list(WAYS), choices=[*WAYS, "ez", "ez+ultralytics"])
    parser.add_argument("--ez", type=Path, help="folder with the other package")
    given = parser.parse_args()
    if "YOLORKNN_STANDIN" not in os.environ:  # the linker reads LD_LIBRARY_PATH when a process begins
        with tempfile.TemporaryDirectory(prefix="yolorknn-bench-") as folder:
            compile_standin(Path(folder))
            environment = {**os.environ, "YOLORKNN_STANDIN": folder, "LD_LIBRARY_PATH": folder}
            raise SystemExit(subprocess.call([sys.executable, *sys.argv], env=environment))
    if given.ez:
        sys.path.append(str(given.ez))
    here = Path(os.environ["YOLORKNN_STANDIN"])
    model = write_rknn(here / "v8n-rk3588-i8.rknn", METADATA)
    replay = write_replay(here / "replay.bin", {0: task_of(METADATA).scene(METADATA)})
    os.environ |= {
        "STANDIN_SOC": "rk3588",
        "STANDIN_REPLAY": str(replay),
        "STANDIN_CONVERT_MS": str(given.convert_ms),
    }
    share_arena()
    images = pictures(8)
    for ms, contexts in itertools.product(given.ms, given.contexts):
        os.environ["STANDIN_MS"] = str(ms)
        bound = CORES * 1000 / ms
        pipelines: dict[str, Any] = {}
        for way in given.ways:
            ez = way.startswith("ez")
            pipelines[way] = Ez(model, contexts, ultralytics=way != "ez") if ez else Ours(model, way, contexts)
        rows: dict[str, list[tuple[float, float, float]]] = {way: [] for way in pipelines}
        with busy(given.busy):
            for _ in range(given.rounds):
                for way, pipeline in pipelines.items():
                    rows[way].append(measure(pipeline, images, given.seconds))
        print(f"{ms:g} ms an inference, {contexts} contexts on each of {CORES} cores: at most {bound:.0f} frames/s")
        print(f"    {'':<16} {'frames/s':>9} {'of bound':>9} {'worst':>6} {'CPU ms':>7} {'p50 ms':>7}")
        for way, turns in rows.items():
            fps, cpu, latency = (statistics.median(column) for column in zip(*turns, strict=True))
            worst = min(fps for fps, *_ in turns)
            print(f"    {way:<16} {fps:>9.1f} {fps / bound:>9.3f} {worst / bound:>6.3f} {cpu:>7.2f} {latency:>7.1f}")
        for pipeline in pipelines.values():
            pipeline.close()
    print(f"{resident_mb():.0f} MB resident")


if __name__ == "__main__":
    main()
