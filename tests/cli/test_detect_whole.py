"""Detect as a user types it: the demo model, real images and videos, a process of its own."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.conftest import DATASET, DEMO_ONNX, needs_ort
from tests.fakes.commands import yolorknn
from tests.fakes.waiting import until
from yolorknn import Detector

pytestmark = needs_ort


def test_detect_a_folder(tmp_path: Path) -> None:
    done = yolorknn("detect", DATASET / "images", "--model", DEMO_ONNX, cwd=tmp_path)
    assert done.returncode == 0 and "40 frames" in done.stderr and "results in runs/detect/images" in done.stderr
    assert re.search(r"ms per frame: capture \d+\.\d, wait .*, infer \d.*; core use \d+%\n", done.stderr)
    run = tmp_path / "runs/detect/images"
    assert {path.name for path in run.iterdir()} == {
        "detections.jsonl",
        *(path.name for path in (DATASET / "images").iterdir()),
    }
    rows = [json.loads(line) for line in (run / "detections.jsonl").read_text().splitlines()]
    with Detector(DEMO_ONNX) as detector:
        for row in rows:
            found = detector.detect(row["source"])
            assert [box["class_id"] for box in row["detections"]] == found.class_id.tolist()
            assert [box["name"] for box in row["detections"]] == [detector.names[c] for c in found.class_id.tolist()]
            original, drawn = cv2.imread(row["source"]), cv2.imread(str(run / Path(row["source"]).name))
            assert original is not None and drawn is not None and drawn.shape == original.shape
    again = yolorknn("detect", DATASET / "images", "--model", DEMO_ONNX, "--no-save", cwd=tmp_path)
    assert "results in runs/detect/images-2" in again.stderr
    assert [path.name for path in (tmp_path / "runs/detect/images-2").iterdir()] == ["detections.jsonl"]


def test_detect_a_video_and_print_json(tmp_path: Path, video: Path) -> None:
    done = yolorknn("detect", video, "--model", DEMO_ONNX, "--json", "-", "--name", "mine", cwd=tmp_path)
    assert done.returncode == 0
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["frame"] for row in rows] == list(range(12))
    assert rows[3]["timestamp"] == pytest.approx(3 / 20)
    capture = cv2.VideoCapture(str(tmp_path / "runs/detect/mine/clip.mp4"))
    assert capture.get(cv2.CAP_PROP_FRAME_COUNT) == 12
    only = yolorknn("detect", video, "--model", DEMO_ONNX, "--json", "-", "--no-save", cwd=tmp_path)
    assert only.stdout == done.stdout
    assert [path.name for path in (tmp_path / "runs/detect").iterdir()] == ["mine"]


def test_thresholds_and_classes(tmp_path: Path) -> None:
    def boxes(*options: str) -> list[dict]:
        command = ("detect", DATASET / "images", "--model", DEMO_ONNX, "--no-save", "--json", "-", *options)
        rows = [json.loads(line) for line in yolorknn(*command, cwd=tmp_path).stdout.splitlines()]
        return [box for row in rows for box in row["detections"]]

    everything = boxes()
    assert {box["name"] for box in boxes("--classes", "star, 0")} == {"star", "ball"}
    assert boxes("--conf", "0.8") == [box for box in everything if box["confidence"] > 0.8]
    assert len(boxes("--max-det", "1")) <= 40 < len(everything)
    assert len(boxes("--iou", "1", "--conf", "0.05")) > len(boxes("--iou", "0.3", "--conf", "0.05"))


def test_one_broken_image_costs_only_itself(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    shutil.copytree(DATASET / "images", folder)
    (folder / "0005.jpg").write_bytes(b"junk")
    done = yolorknn("detect", folder, "--model", DEMO_ONNX, cwd=tmp_path)
    assert done.returncode == 1 and done.stderr.splitlines()[-1].startswith("error: 1 of 40 frames could not be read: ")
    assert len((tmp_path / "runs/detect/in/detections.jsonl").read_text().splitlines()) == 39


def test_ctrl_c_leaves_a_video_that_plays(tmp_path: Path, video: Path) -> None:
    long = tmp_path / "long.mp4"
    writer = cv2.VideoWriter(str(long), cv2.VideoWriter.fourcc(*"mp4v"), 20.0, (320, 240))
    for number in range(3000):
        writer.write(np.full((240, 320, 3), number % 255, np.uint8))
    writer.release()
    command = [sys.executable, "-m", "yolorknn", "detect", long, "--model", DEMO_ONNX]
    process = subprocess.Popen([str(part) for part in command], cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    lines = tmp_path / "runs/detect/long/detections.jsonl"
    until(lambda: lines.exists() and lines.read_text().count("\n") > 5, by=process)
    os.kill(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=10)
    assert process.returncode == 130 and "interrupted after" in err
    written = lines.read_text().splitlines()
    capture = cv2.VideoCapture(str(tmp_path / "runs/detect/long/long.mp4"))
    frames = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
    assert 0 <= len(written) - frames <= 1 and frames > 0
    assert json.loads(written[-1])["frame"] == len(written) - 1


def test_a_closed_pipe_is_no_error(tmp_path: Path) -> None:
    command = f"{sys.executable} -m yolorknn detect {DATASET / 'images'} --model {DEMO_ONNX} --json - | head -1"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert json.loads(done.stdout)["frame"] == 0 and "rror" not in done.stderr
