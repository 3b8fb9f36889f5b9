"""scripts/bench/: each benchmark measures what it says, and prints each time with its ratio to the first."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from tests.conftest import ROOT, needs_ort, needs_toolkit, needs_torch
from tests.fakes.standin import needs_compiler

ROW = re.compile(r"^    (\S.*\S) +(\d+\.\d) (us|ms|s ) +(\d+\.\d\d)$", re.MULTILINE)
UNITS = {"us": 1e-6, "ms": 1e-3, "s ": 1.0}


def bench(name: str, rounds: int, *words: str) -> str:
    command = [sys.executable, f"scripts/bench/{name}.py", "--rounds", str(rounds), *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


def assert_compares(printed: str, *names: str) -> None:
    rows = ROW.findall(printed)
    assert [name for name, *_ in rows] == list(names), printed
    times = [float(number) * UNITS[unit] for _, number, unit, _ in rows]
    for seconds, (*_, ratio) in zip(times, rows, strict=True):
        assert float(ratio) == pytest.approx(seconds / times[0], rel=0.05, abs=0.01), printed


@needs_ort
def test_start() -> None:
    names = ("import numpy, cv2", "import yolorknn", "import Detector", "yolorknn --help", "first detection, demo.onnx")
    assert_compares(bench("start", 1), *names)


def test_letterbox() -> None:
    assert_compares(bench("letterbox", 20), "bare resize and cvtColor", "letterbox")


@needs_ort
@needs_torch
def test_postprocess() -> None:
    printed = bench("postprocess", 2, "models/demo.onnx", "dataset/images/0000.jpg")
    first, second = printed.split("0000.jpg at conf ")[1:]
    for part in (first, second):
        assert_compares(part, "yolorknn", "yolorknn, int8", "ultralytics")


@needs_toolkit
@pytest.mark.toolkit
@pytest.mark.slow
def test_build() -> None:
    printed = bench("build", 1, "models/demo.onnx", "dataset/images", "--algorithm", "normal")
    assert_compares(printed, "the vendor's own calls", "yolorknn build")


def test_memory() -> None:
    printed = bench("memory", 1000)
    assert "    1000 frames" in printed and "MB; growth since: " in printed
    before, after = re.findall(r"(\d+ \d+)", printed.splitlines()[-1])
    assert before == after, "threads and descriptors are given back"


@needs_compiler
def test_runtime() -> None:
    printed = bench("runtime", 1, "--seconds", "0.3", "--ms", "4", "--ways", "wheel", "float", "int8")
    assert "4 ms an inference, 1 contexts on each of 3 cores: at most 750 frames/s" in printed
    rows = re.findall(r"^    (\w+) +([\d.]+) +([\d.]+) +([\d.]+) +([\d.]+) +([\d.]+)$", printed, re.MULTILINE)
    assert [name for name, *_ in rows] == ["wheel", "float", "int8"]
    for _, fps, share, worst, cpu, latency in rows:
        assert 0 < float(worst) <= float(share) <= 1 and float(share) == pytest.approx(float(fps) / 750, abs=0.001)
        assert float(cpu) > 0 and float(latency) >= 4
