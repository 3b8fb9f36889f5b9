"""What the benchmarks share: their arguments, and things timed beside each other, round by round, in one run."""

from __future__ import annotations

import argparse
import ctypes
import os
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # glibc's malloc.h
ROOT = Path(__file__).resolve().parents[2]
DEMO_ONNX = ROOT / "models/demo.onnx"
DEMO_IMAGES = ROOT / "dataset/images"


def arguments(description: str | None, *, rounds: int) -> argparse.ArgumentParser:
    """Return a parser of --rounds; the description is the module's docstring."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=rounds, help="how many (%(default)s)")
    return parser


def compare(what: Mapping[str, Callable[[int], object]], *, rounds: int, repeats: int = 1) -> dict[str, float]:
    """Time functions in turn, so that what the machine does besides falls on all of them.

    Args:
        what: functions of the round's number, by name.
        rounds: how often each gets its turn.
        repeats: calls in a row in one turn.

    Returns:
        Median seconds of one call, by name.
    """
    times: dict[str, list[float]] = {name: [] for name in what}
    for number in range(rounds):
        for name, function in what.items():
            start = time.perf_counter()
            for _ in range(repeats):
                function(number)
            times[name].append((time.perf_counter() - start) / repeats)
    return {name: statistics.median(column) for name, column in times.items()}


class Disturbance:
    """What other programs take of the CPUs, from now on."""

    def __init__(self) -> None:
        self._start, self._busy, self._own = time.perf_counter(), busy_seconds(), _own_seconds()

    def cpus(self) -> float:
        """Return how many CPUs they used on average, to 0.01 in a second."""
        others = busy_seconds() - self._busy - (_own_seconds() - self._own)
        return max(0.0, others / (time.perf_counter() - self._start))


def busy_seconds() -> float:
    """Return how many seconds the CPUs were busy since the machine started, all of them together."""
    user, nice, system, _, _, *rest = map(int, Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9])
    return (user + nice + system + sum(rest)) / os.sysconf("SC_CLK_TCK")


def _own_seconds() -> float:
    times = os.times()
    return times.user + times.system


def process(*command: str | Path, folder: Path = ROOT) -> Callable[[int], object]:
    """Return a function that runs a command in a folder."""
    return lambda _: subprocess.run(command, cwd=folder, check=True, capture_output=True)


def show(title: str, times: Mapping[str, float]) -> None:
    """Print each time and its ratio to the first."""
    print(title)
    first = next(iter(times.values()))
    for name, seconds in times.items():
        unit, factor = ("us", 1e6) if seconds < 1e-3 else ("ms", 1e3) if seconds < 1 else ("s", 1)
        print(f"    {name:<32} {seconds * factor:>7.1f} {unit:<2} {seconds / first:>8.2f}")


def hold_memory(freed: str) -> None:
    """Have glibc, where that is there, treat arrays that were freed alike in every run: see mallopt(3).

    By itself it gives them back to the system, and fetches them anew, until a larger one was freed, or something else
    lies behind them.

    Args:
        freed: "fetched" anew each time, "kept", or "" to leave it as it comes.
    """
    if freed and (mallopt := getattr(ctypes.CDLL(None), "mallopt", None)):
        size = 128 << 10 if freed == "fetched" else 32 << 20  # what it begins with, and the most that it goes up to
        mallopt(_M_MMAP_THRESHOLD, size)
        mallopt(_M_TRIM_THRESHOLD, 2 * size)
