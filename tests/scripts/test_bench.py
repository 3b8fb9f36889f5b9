"""scripts/bench/: each benchmark measures what it says, and prints each time with its ratio to the first."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT, needs_ort, needs_toolkit, needs_torch
from tests.fakes.families import make_checkpoint
from tests.fakes.standin import needs_compiler
from yolorknn import export

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
    rounded = [0.05 * UNITS[unit] / seconds for seconds, (_, _, unit, _) in zip(times, rows, strict=True)]
    for seconds, by, (*_, ratio) in zip(times, rounded, rows, strict=True):
        assert float(ratio) == pytest.approx(seconds / times[0], rel=0.01 + by + rounded[0], abs=0.01), printed


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
    tables = printed.split("frames of ")[1:]
    assert [table.partition(": ")[0] for table in tables] == ["1280x720", "1280x720", "1920x1080", "1920x1080"]
    for table in tables:
        assert_compares(table, "yolorknn", "yolorknn, int8", "ultralytics")


def assert_has_a_floor(printed: str) -> None:
    tables = printed.split("frames of ")[1:]
    sizes, kinds = ("1280x720", "1920x1080"), ("float32", "int8")
    titles = [f"{size}, {kind}" for size in sizes for kind in kinds for _ in range(2)]
    assert [table.partition("\n")[0] for table in tables] == titles
    for number, table in enumerate(tables):
        assert_compares(table, "ultralytics", "yolorknn" if number % 2 else "numpy's calls")


@needs_ort
@needs_torch
def test_floor() -> None:
    assert_has_a_floor(bench("floor", 1, "models/demo.onnx", "dataset/images/0000.jpg"))


@needs_ort
@needs_torch
@pytest.mark.slow
@pytest.mark.parametrize("task", ["seg", "obb"])
def test_tasks(task: str, tmp_path: Path) -> None:
    checkpoint = make_checkpoint(f"yolov8n-{task}.yaml", tmp_path, names=("a", "b"), imgsz=96, narrower=4)
    onnx = export(checkpoint, imgsz=(96, 96))
    names = ("yolorknn", "yolorknn, int8", "ultralytics", *["ultralytics, at the model's size"] * (task == "seg"))
    for images in ((), ("dataset/images/0000.jpg",)):
        tables = bench("tasks", 1, str(onnx), *images).split("frames of ")[1:]
        assert [table.partition(": ")[0] for table in tables] == ["1280x720", "1920x1080"]
        for table in tables:
            assert_compares(table, *names)
    if task == "obb":
        assert_has_a_floor(bench("floor", 1, str(onnx)))


@needs_toolkit
@pytest.mark.toolkit
@pytest.mark.slow
def test_build() -> None:
    printed = bench("build", 1, "models/demo.onnx", "dataset/images", "--algorithm", "normal")
    assert_compares(printed, "the vendor's own calls", "yolorknn build")


@needs_ort
def test_tiles() -> None:
    """What is measured of 4K frames holds of a smaller one."""
    command = [sys.executable, "scripts/bench/tiles.py", "--frames", "1", "--size", "720", "1280", "--count", "60"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    (plain, _), (tiles, twice) = re.findall(r": recall ([\d.]+) .*, (\d+) twice", done.stdout)
    assert float(plain) < 0.3 and float(tiles) >= 0.9 and twice == "0"


@pytest.mark.parametrize("runtime", ["simulated", pytest.param("c", marks=needs_compiler)])
def test_memory(runtime: str) -> None:
    printed = bench("memory", 1000, "--runtime", runtime)
    assert "    1000 frames" in printed and "MB; growth since: " in printed
    before, after = re.findall(r"(\d+ \d+)", printed.splitlines()[-1])
    assert before == after, "threads and descriptors are given back"


@needs_compiler
@pytest.mark.slow
def test_memory_through_the_wheel() -> None:
    test_memory("lite")


@needs_compiler
def test_runtime() -> None:
    ways = ["wheel", "float", "int8", "inputs"]
    printed = bench("runtime", 1, "--seconds", "0.3", "--ms", "4", "--ways", *ways, "--freed", "kept")
    assert "4 ms an inference, 1 contexts on each of 3 cores: at most 750 frames/s" in printed
    row = r"^    (\w+) +([\d.]+) +([\d.]+) +([\d.]+) +([\d.]+) +([\d.]+) +([\d.]+)$"
    rows = re.findall(row, printed, re.MULTILINE)
    assert [name for name, *_ in rows] == ways
    for _, fps, share, worst, cpu, latency, others in rows:
        assert 0 < float(worst) <= float(share) == pytest.approx(float(fps) / 750, abs=0.001)
        assert float(share) < 1.05, "the cores allow 1, but the first and the last frame counted come a little off"
        assert float(cpu) > 0 and float(latency) >= 4 and float(others) >= 0


@needs_compiler
def test_stages() -> None:
    printed = bench("stages", 60, "--ms", "4", "--ways", "int8", "--opencv-threads", "1", "2")
    assert [int(number) for number in re.findall(r"OpenCV with (\d) threads: \d+ frames/s", printed)] == [1, 2]
    rows = re.findall(r"^    (\w+)" + r" +([\d.]+)" * 6 + "$", printed, re.MULTILINE)
    assert [name for name, *_ in rows] == ["prepare", "infer", "decode"] * 2
    for name, wall, p90, cpu, alone, waited, rest in rows:
        assert 0 < float(cpu) <= float(wall) + 0.01 and float(p90) > 0 and float(alone) > 0
        assert float(waited) >= 0 and float(rest) >= (3 if name == "infer" else 0), "the core is held for 4 ms"
