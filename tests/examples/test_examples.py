"""examples/: each is short, is typed as a user's program is, and does what it says."""

from __future__ import annotations

import functools
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import cv2
import pytest

from tests.conftest import DATASET, DEMO_ONNX, ROOT, needs_ort, needs_toolkit, needs_torch
from tests.fakes.families import make_checkpoint
from yolorknn import Classifier, Detections, Detector, export, validate

EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
IMAGES = sorted((DATASET / "images").glob("*.jpg"))


def run(name: str, folder: Path, *words: str | Path) -> subprocess.CompletedProcess[str]:
    """Run an example in a folder of its own, warnings being errors."""
    command = [sys.executable, "-W", "error::DeprecationWarning:__main__", ROOT / "examples" / name, *words]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    return done


@functools.cache
def found(conf: float) -> tuple[list[Detections], dict[int, str]]:
    """Return what one image after the other, without a stream, has."""
    with Detector(DEMO_ONNX, conf=conf) as detector:
        return [detector.detect(path) for path in IMAGES], detector.names


def test_all_are_short() -> None:
    assert len(EXAMPLES) == 17
    for path in EXAMPLES:
        assert len(path.read_text().splitlines()) < 60, path.name


def test_each_is_in_the_docs() -> None:
    pages = "".join(page.read_text() for page in (ROOT / "docs").glob("*.md"))
    assert [
        path.name for path in EXAMPLES if f"examples/{path.name}" not in pages and f"`{path.name}`" not in pages
    ] == []


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


@needs_torch
@needs_ort
@pytest.mark.parametrize(
    "task", ["seg", *(pytest.param(task, marks=pytest.mark.slow) for task in ("pose", "obb", "cls"))]
)
def test_each_task(task: str, tmp_path: Path) -> None:
    """On a random network; what the program prints is what the model finds."""
    config = f"yolov8n-{task}.yaml"
    thin = 1 if task == "pose" else 4  # a configuration made narrower loses its keypoints
    checkpoint = make_checkpoint(config, tmp_path, names=("person", "b"), imgsz=96, narrower=thin)
    model = export(checkpoint, imgsz=(96, 96))
    image = IMAGES[0]
    picture = cv2.imread(str(image))
    assert picture is not None
    if task == "cls":
        (tmp_path / "in").mkdir()
        (tmp_path / "in" / image.name).symlink_to(image)
        done = run("classify_folder.py", tmp_path, model, "in")
        with Classifier(model) as classifier:
            ((class_id, confidence),) = classifier.classify(image).top(1)
            name = classifier.names[class_id] if confidence >= 0.5 else "unsure"
        assert done.stdout == f"in/{image.name} {name} {confidence:.2f}\n" and done.stderr.split() == ["1", name]
        return
    with Detector(model, tile=640 if task == "obb" else None) as detector:
        found = detector.detect(image)
        names = [detector.names[number] for number in found.class_id]
    assert len(found) > 3
    if task == "seg":
        rows = [line.split() for line in run("segment_image.py", tmp_path, model).stdout.splitlines()]
        assert found.mask is not None and [row[0] for row in rows] == names
        assert [float(row[1].rstrip("%")) for row in rows] == pytest.approx(
            100 * found.mask.mean(axis=(1, 2)), abs=0.06
        )
        cut = cv2.imread(str(tmp_path / "cut.png"), cv2.IMREAD_UNCHANGED)
        assert cut is not None and ((cut[..., 3] > 0) == found.mask[0]).all()
    elif task == "obb":
        lines = run("oriented_boxes.py", tmp_path, model, image).stdout.splitlines()
        assert [line.split()[0] for line in lines] == names and (tmp_path / "turned.jpg").exists()
        assert all(0 <= float(line.split()[-2]) <= 180 for line in lines)
    else:
        printed = run("pose_in_video.py", tmp_path, model, image).stdout
        points = found.keypoints
        assert points is not None
        up = [any(p[w, 2] > 0.5 and p[w, 1] < p[0, 1] for w in (9, 10)) and p[0, 2] > 0.5 for p in points]
        assert len(printed.splitlines()) == sum(up)


@needs_torch
@needs_toolkit
@pytest.mark.toolkit
@pytest.mark.slow
def test_custom_op(tmp_path: Path) -> None:
    said = run("custom_op.py", tmp_path).stdout
    assert 0 < float(said.removeprefix("largest difference: ")) < 2e-3, "float16's"
    assert (tmp_path / "cst_gelu-plugin/cst_gelu.c").exists()


@needs_torch
@needs_toolkit
@pytest.mark.toolkit
@pytest.mark.slow
def test_custom_layer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    table = run("custom_layer.py", tmp_path).stdout
    assert (
        "/0/value/Conv" in table
        and "ConvSigmoid /0/gate/Conv" in table
        and (tmp_path / "gated-rk3588-fp16.rknn").exists()
    )
