"""scripts/compare_int8.py: what it says is off is what was moved."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from compare_int8 import Measured

from tests.conftest import DATASET, ROOT, needs_ort, needs_toolkit, needs_torch
from yolorknn import Detections

pytest.importorskip("pycocotools", reason="needs yolorknn[val]")

BOX = np.array([[100, 100, 200, 300], [300, 100, 700, 500], [10, 10, 20, 20]], np.float32)


def found(*, off: float = 0.0, score: float = 0.0, count: int = 3) -> Detections:
    mask = np.zeros((3, 600, 800), np.bool_)
    mask[0, 100:300, 100 : 200 + round(off)] = True
    mask[1, 100:500, 300:700] = True
    points = np.concatenate([np.random.default_rng(0).uniform(100, 300, (3, 17, 2)), np.ones((3, 17, 1))], axis=2)
    points[:, :, 0] += off
    boxes = BOX + np.array([[0, 0, off, 0], [0, 0, 0, -2 * off], [0, 0, 0, 0]], np.float32)
    every = Detections(
        boxes, np.array([0.9, 0.8, 0.6]) - score, np.zeros(3, np.int64), mask=mask, keypoints=points.astype(np.float32)
    )
    return every[np.arange(count)]


def test_what_is_the_same() -> None:
    measured = Measured()
    measured.add(found(), found(), (600, 800))
    assert list(measured.row()) == [
        *("3 of 3", "1.0000", "0.00 / 0.0", "0.00 / 0.0", "0.0000", "0.6667 / 0.1000"),
        "1.0000",
    ], "a mask without a pixel overlaps nothing"


def test_what_is_off() -> None:
    measured = Measured()
    measured.add(found(), found(off=4, score=0.05, count=2), (600, 800))
    assert measured.objects == 3 and measured.corners == [4, 8]
    assert measured.boxes == pytest.approx([100 / 104, 392 / 400])
    assert measured.scores == pytest.approx([0.05, 0.05]) and measured.masks == pytest.approx([100 / 104, 1])
    assert measured.sizes == pytest.approx([200 * 0.5**0.5, 400])
    assert 0 < measured.oks() < 0.7, "one of three is not found, and the others' keypoints are off"


def test_only_what_the_float_model_is_sure_of_is_looked_for() -> None:
    measured = Measured()
    measured.add(found(score=0.35), found(score=0.7), (600, 800))
    assert measured.objects == 1 and not measured.corners


@needs_torch
@needs_ort
@needs_toolkit
@pytest.mark.toolkit
@pytest.mark.slow
def test_the_script(tmp_path: Path) -> None:
    for path in sorted((DATASET / "images").glob("*.jpg"))[:12]:
        (tmp_path / path.name).symlink_to(path)
    command = [sys.executable, "scripts/compare_int8.py", "models/demo-seg.pt", "--images", str(tmp_path)]
    done = subprocess.run([*command, "--calibrate", "8"], cwd=ROOT, capture_output=True, text=True, check=True)
    *_, heads, _, row = done.stdout.splitlines()
    assert heads.count("|") == row.count("|") == 9 and row.startswith("| demo-seg | ")
    none = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert none.returncode == 2 and "has 12 images: none are left" in none.stderr
