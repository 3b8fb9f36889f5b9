"""examples/: each is short, is typed as a user's program is, and does what it says."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import cv2
import pytest

from tests.conftest import DATASET, DEMO_ONNX, ROOT, needs_ort, needs_toolkit, needs_torch
from yolorknn import Detections, Detector, validate

EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
IMAGES = sorted((DATASET / "images").glob("*.jpg"))


def run(name: str, folder: Path, *words: str | Path) -> subprocess.CompletedProcess[str]:
    """Run an example in a folder of its own, warnings being errors."""
    command = [sys.executable, "-W", "error::DeprecationWarning:__main__", ROOT / "examples" / name, *words]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    return done


def found(conf: float) -> tuple[list[Detections], dict[int, str]]:
    """Return what one image after the other, without a stream, has."""
    with Detector(DEMO_ONNX, conf=conf) as detector:
        return [detector.detect(path) for path in IMAGES], detector.names


def test_there_are_five_and_all_are_short() -> None:
    assert len(EXAMPLES) == 5
    for path in EXAMPLES:
        assert len(path.read_text().splitlines()) < 40, path.name


def test_they_are_typed(strict_mypy: list[str], tmp_path: Path) -> None:
    command = [*strict_mypy, *map(str, EXAMPLES)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout


@needs_ort
def test_detect_image(tmp_path: Path) -> None:
    lines = run("detect_image.py", tmp_path).stdout.splitlines()
    results, names = found(0.4)
    assert [line.split()[0] for line in lines] == [names[number] for number in results[0].class_id]
    before, after = cv2.imread(str(IMAGES[0])), cv2.imread(str(tmp_path / "boxes.jpg"))
    assert before is not None and after is not None and before.shape == after.shape and (before != after).any()


@needs_ort
def test_count_in_video(tmp_path: Path) -> None:
    """Also past a file that is no image."""
    (tmp_path / "frames").mkdir()
    for path in IMAGES:
        (tmp_path / "frames" / path.name).symlink_to(path)
    (tmp_path / "frames/0001-damaged.jpg").write_bytes(b"no image")
    done = run("count_in_video.py", tmp_path, DEMO_ONNX, "frames")
    assert "0001-damaged.jpg is not a readable image" in done.stderr and len(done.stderr.splitlines()) == 1
    frames: Counter[str] = Counter()
    most: Counter[str] = Counter()
    results, names = found(0.25)
    for detections in results:
        here = Counter(names[number] for number in detections.class_id)
        frames.update(here.keys())
        most |= here
    rows = re.findall(r"^(\w+) +in (\d+) frames, at most (\d+) at once$", done.stdout, re.MULTILINE)
    assert {name: (int(count), int(highest)) for name, count, highest in rows} == {
        name: (frames[name], most[name]) for name in frames
    }


@needs_ort
def test_own_camera(tmp_path: Path) -> None:
    printed = re.findall(r"^frame (\d+): (\w+) on the left$", run("own_camera.py", tmp_path).stdout, re.MULTILINE)
    results, names = found(0.5)
    expected, seen = [], set[int]()
    for index, (path, detections) in enumerate(zip(IMAGES, results, strict=True)):
        image = cv2.imread(str(path))
        assert image is not None
        left = {number for xyxy, _, number in detections if xyxy[2] < image.shape[1] / 2}
        expected += [(str(index), names[number]) for number in sorted(left - seen)]
        seen = left
    assert printed == expected and len(printed) > 10


@needs_torch
@needs_ort
@needs_toolkit
@pytest.mark.toolkit
@pytest.mark.slow
def test_convert(tmp_path: Path) -> None:
    """What it prints is what `yolorknn val` says of the files that it wrote; the float model is the demo's."""
    lines = run("convert.py", tmp_path).stdout.splitlines()
    said = re.fullmatch(r"demo-rk3588-i8\.rknn: mAP50-95 (0\.\d{3}), float (0\.\d{3})", lines[0])
    assert said and len(lines) == 1 + 6
    assert {path.name for path in tmp_path.iterdir()} >= {"demo.onnx", "demo-rk3588-i8.rknn", "demo-rk3588-i8.log"}
    exact, quantized = validate(DEMO_ONNX, DATASET / "data.yaml").map, float(said[1])
    assert float(said[2]) == pytest.approx(exact, abs=0.0006)
    assert quantized != float(said[2]) and abs(quantized - exact) < 0.05
    drops = [float(line.split()[1]) for line in lines[1:]]
    assert sum(drops) / len(drops) == pytest.approx(quantized - float(said[2]), abs=0.0011)


def test_with_simulated_npu(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(tmp_path)]
    command += ["-c", "/dev/null", str(ROOT / "examples/test_with_simulated_npu.py")]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0 and "2 passed" in done.stdout, done.stdout
