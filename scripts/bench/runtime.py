"""Run whole pipelines, 1080p frame to boxes, on a stand-in for librknnrt that costs what the real one costs.

    .venv/bin/python scripts/bench/runtime.py [--ms 8] [--contexts 1 2] [--convert-ms 0] [--busy 1]

The stand-in, tests/board/librknnrt.c, is compiled for this machine; each of its three cores is held --ms by an
inference, and its CPU part really converts, --convert-ms at least. The ways take turns, round by round:

    wheel   as rknn-toolkit-lite2 calls the library: float32 in fresh memory, four questions a call
    float   yolorknn's own calls, float32
    int8    yolorknn --runtime c
    inputs  what all ways have in common: letterbox, inputs, inference and the stream; no outputs, nothing decoded
    ez      the package ztu-somemodelruntime-ez-rknn-async, where --ez names a folder that it is installed in (pip
            install --target), with our post-processing behind it; ez+ultralytics: with ultralytics' own

Beside frames/s stand the CPU time of a frame, the stand-in's part included, and how many CPUs other programs used.
"""

from __future__ import annotations

import contextlib
import itertools
import math
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from beside import Disturbance, arguments, hold_memory
from on_standin import CORES, model_on_standin
from pipelines import INPUTS, WAYS, Ez, Ours

from yolorknn.measure.synthetic import pictures
from yolorknn.runtime.memory import resident_mb, share_arena

SETTLED = 15
"""Frames at the beginning that are not counted."""
TRIES = 8
"""For a turn in which nobody disturbs; then the least disturbed counts."""


class Turn(NamedTuple):
    """What came of a way in one turn."""

    fps: float
    cpu: float
    """Milliseconds of CPU time for a frame."""
    latency: float
    """The median, in milliseconds."""
    others: float
    """CPUs that other programs used meanwhile."""


def measure(pipeline: Any, images: list[Any], seconds: float) -> Turn:
    """Run a pipeline for so long; how it then ends, which waits for what is under way, is not counted."""
    latencies: list[float] = []
    start = cpu = elapsed = spent = others = 0.0
    disturbance = Disturbance()

    def stop() -> bool:
        nonlocal elapsed, spent, others
        count = len(latencies) - SETTLED  # frames come in groups, one of each core: whole ones are counted
        elapsed = time.perf_counter() - start
        if count <= 0 or count % CORES or elapsed < seconds:
            return False
        spent, others = time.process_time() - cpu, disturbance.cpus()
        return True

    frames = pipeline.frames(itertools.cycle(images), stop)
    for latency in frames:
        latencies.append(latency)
        if len(latencies) == SETTLED:
            start, cpu, disturbance = time.perf_counter(), time.process_time(), Disturbance()
    count = len(latencies) - SETTLED
    return Turn(count / elapsed, spent / count * 1000, statistics.median(latencies[SETTLED:]) * 1000, others)


def alone(pipeline: Any, images: list[Any], seconds: float, most: float) -> Turn:
    """Measure until other programs used at most so many CPUs meanwhile, but not more than TRIES times."""
    turns = [measure(pipeline, images, seconds)]
    while turns[-1].others > most and len(turns) < TRIES:
        turns.append(measure(pipeline, images, seconds))
    return min(turns, key=lambda turn: turn.others)


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
    parser.add_argument(
        "--undisturbed",
        type=float,
        default=math.inf,
        metavar="CPUS",
        help=f"take a turn again, up to {TRIES} times, in which other programs used more",
    )
    parser.add_argument(
        "--freed",
        choices=["fetched", "kept"],
        default="",
        help="have glibc fetch each array anew, or keep what was freed (as it comes)",
    )
    parser.add_argument("--ways", nargs="+", default=list(WAYS), choices=[*WAYS, INPUTS, "ez", "ez+ultralytics"])
    parser.add_argument("--ez", type=Path, help="folder with the other package")
    given = parser.parse_args()
    model = model_on_standin()
    if given.ez:
        sys.path.append(str(given.ez))
    os.environ["STANDIN_CONVERT_MS"] = str(given.convert_ms)
    share_arena()
    hold_memory(given.freed)
    images = pictures(8)
    for ms, contexts in itertools.product(given.ms, given.contexts):
        os.environ["STANDIN_MS"] = str(ms)
        bound = CORES * 1000 / ms
        pipelines: dict[str, Any] = {}
        for way in given.ways:
            ez = way.startswith("ez")
            pipelines[way] = Ez(model, contexts, ultralytics=way != "ez") if ez else Ours(model, way, contexts)
        rows: dict[str, list[Turn]] = {way: [] for way in pipelines}
        with busy(given.busy):
            for _ in range(given.rounds):
                for way, pipeline in pipelines.items():
                    rows[way].append(alone(pipeline, images, given.seconds, given.undisturbed + given.busy))
        print(f"{ms:g} ms an inference, {contexts} contexts on each of {CORES} cores: at most {bound:.0f} frames/s")
        print(f"    {'':<16} {'frames/s':>9} {'of bound':>9} {'worst':>6} {'CPU ms':>7} {'p50 ms':>7} {'others':>7}")
        for way, turns in rows.items():
            fps, cpu, latency, others = (statistics.median(column) for column in zip(*turns, strict=True))
            worst = min(turn.fps for turn in turns)
            print(
                f"    {way:<16} {fps:>9.1f} {fps / bound:>9.3f} {worst / bound:>6.3f} {cpu:>7.2f} {latency:>7.1f} "
                f"{others:>7.2f}",
                flush=True,
            )
        for pipeline in pipelines.values():
            pipeline.close()
    print(f"{resident_mb():.0f} MB resident")


if __name__ == "__main__":
    main()
