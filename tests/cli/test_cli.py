"""The commands as a user types them, in a process of their own."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.conftest import DATASET, DEMO, DEMO_ONNX, needs_ort, needs_toolkit, needs_torch
from tests.fakes.encode import split_metadata
from tests.fakes.rknn_files import write_rknn
from yolorknn import Detector
from yolorknn.model.metadata import Build, ModelMetadata

pytestmark = needs_ort
MAIN = "from yolorknn.__main__ import main; main()"


def yolorknn(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "yolorknn", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd, timeout=120)


def refused(*arguments: object, cwd: Path) -> str:
    """Run what must fail with one sentence and leave nothing behind; return the sentence."""
    before = sorted(cwd.rglob("*"))
    done = yolorknn(*arguments, cwd=cwd)
    assert done.returncode == 1, done
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ") and sorted(cwd.rglob("*")) == before
    return line


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("video") / "clip.mp4"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 20.0, (320, 240))
    for image in sorted((DATASET / "images").glob("*.jpg"))[:12]:
        frame = cv2.imread(str(image))
        assert frame is not None
        writer.write(cv2.resize(frame, (320, 240)))
    writer.release()
    return path


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
    while not (lines.exists() and lines.read_text().count("\n") > 5):
        time.sleep(0.05)
        assert process.poll() is None
    os.kill(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=10)
    assert process.returncode == 130 and "interrupted after" in err
    written = lines.read_text().splitlines()
    capture = cv2.VideoCapture(str(tmp_path / "runs/detect/long/long.mp4"))
    frames = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
    assert 0 <= len(written) - frames <= 1 and frames > 0
    assert json.loads(written[-1])["frame"] == len(written) - 1


def test_info(tmp_path: Path) -> None:
    build = Build("rk3588", "i8", "2.3.2", dataset="d", images=3)
    metadata = ModelMetadata(**{**split_metadata((64, 64), 2).__dict__, "build": build})
    rknn = write_rknn(tmp_path / "m.rknn", metadata)
    facts = json.loads(yolorknn("info", rknn, "--json", cwd=tmp_path).stdout)
    assert facts["platforms"] == ["rk3588"] and facts["names"] == ["n0", "n1"] and facts["build"]["images"] == 3
    assert "rk3588" in yolorknn("info", rknn, cwd=tmp_path).stdout
    facts = json.loads(yolorknn("info", DEMO_ONNX, "--json", cwd=tmp_path).stdout)
    assert facts["imgsz"] == [320, 320] and facts["head"] == "split" and facts["opset"] == 12


@needs_torch
def test_info_of_a_checkpoint(tmp_path: Path) -> None:
    facts = json.loads(yolorknn("info", DEMO, "--json", cwd=tmp_path).stdout)
    assert facts["head"] == "Detect" and facts["strides"] == [8, 16, 32] and facts["names"][5] == "star"


def test_bad_input_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "empty.onnx").touch()
    (tmp_path / "empty.rknn").touch()
    (tmp_path / "text.txt").write_text("x")
    (tmp_path / "v.mp4").write_text("x")
    (tmp_path / "folder").mkdir()
    image = DATASET / "images/0000.jpg"
    for arguments, words in [
        (("detect", image, "--model", "absent.onnx"), "no model file absent.onnx"),
        (("detect", image, "--model", "empty.onnx"), "empty"),
        (("detect", image, "--model", "empty.rknn"), "empty"),
        (("detect", image, "--model", "text.txt"), "an .onnx or an .rknn"),
        (("detect", image, "--model", "folder"), "is a folder"),
        (("detect", image, "--model", DEMO), "yolorknn export"),
        (("detect", "absent.jpg", "--model", DEMO_ONNX), "no file absent.jpg"),
        (("detect", "camera63", "--model", DEMO_ONNX), "no camera"),
        (("detect", "v.mp4", "--model", DEMO_ONNX), "not a video"),
        (("detect", "folder", "--model", DEMO_ONNX), "no images"),
        (("detect", image, "--model", DEMO_ONNX, "--classes", "starr"), "did you mean 'star'?"),
        (("detect", image, "--model", DEMO_ONNX, "-o", "text.txt/x"), "cannot write"),
        (("detect", image, "--model", DEMO_ONNX, "--json", "/proc/x"), "cannot write"),
        (("info", "absent.rknn"), "no model file"),
        (("info", "text.txt"), "suffix"),
        (("info", "empty.rknn"), "empty"),
    ]:
        assert words in refused(*arguments, cwd=tmp_path)


@needs_torch
def test_bad_input_of_the_conversion(tmp_path: Path) -> None:
    (tmp_path / "empty.pt").touch()
    (tmp_path / "text.onnx").write_text("x")
    (tmp_path / "none").mkdir()
    (tmp_path / "file").touch()
    for arguments, words in [
        (("export", "absent.pt"), "no checkpoint absent.pt"),
        (("export", "empty.pt"), "empty"),
        (("build", DEMO), "yolorknn export"),
        (("export", DEMO_ONNX), "not a .pt"),
        (("export", DEMO, "--dataset", "none"), "no images"),
        (("export", DEMO, "--imgsz", "330"), "use 320,320"),
        (("export", DEMO, "--platform", "rk9"), "unknown platform"),
        (("export", DEMO, "--dtype", "i8"), "--dataset"),
        (("export", DEMO, "--opset", "21"), "opset 21"),
        (("export", DEMO, "-o", "file/x"), "cannot write"),
        (("build", "absent.onnx"), "no model file"),
        (("build", "text.onnx"), "not ONNX"),
        (("build", DEMO_ONNX, "--dataset", "none", "-o", "."), "no images"),
    ]:
        assert words in refused(*arguments, cwd=tmp_path)


@pytest.mark.parametrize(
    "arguments",
    [
        ("dtect",),
        ("detect",),
        ("detect", "x.jpg"),
        ("detect", "x.jpg", "--modl", "y"),
        ("export", "x.pt", "--head", "z"),
    ],
)
def test_mistyped_commands_say_so(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    done = yolorknn(*arguments, cwd=tmp_path)
    assert done.returncode == 2 and "Error: " in done.stderr and "Traceback" not in done.stderr


def test_a_closed_pipe_is_no_error(tmp_path: Path) -> None:
    command = f"{sys.executable} -m yolorknn detect {DATASET / 'images'} --model {DEMO_ONNX} --json - | head -1"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert json.loads(done.stdout)["frame"] == 0 and "rror" not in done.stderr


def test_version_and_help(tmp_path: Path) -> None:
    assert yolorknn("--version", cwd=tmp_path).stdout.startswith("yolorknn 0.")
    for command in ("export", "build", "detect", "info"):
        assert command in yolorknn("-h", cwd=tmp_path).stdout
        assert "--help" in yolorknn(command, "-h", cwd=tmp_path).stdout


@needs_torch
@needs_toolkit
@pytest.mark.toolkit
@pytest.mark.parametrize("command", ["export", "build", "detect images", "detect video"])
def test_a_full_disk(tmp_path: Path, video: Path, command: str) -> None:
    """The system refuses to let any file grow beyond 20 kB, as a full disk would."""
    arguments = {
        "export": ("export", DEMO, "--onnx-only", "-o", "out"),
        "build": ("build", DEMO_ONNX, "-o", "out"),
        "detect images": ("detect", DATASET / "images", "--model", DEMO_ONNX, "-o", "out"),
        "detect video": ("detect", video, "--model", DEMO_ONNX, "-o", "out", "--name", "run"),
    }[command]
    limited = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000)); {MAIN}"
    process = [sys.executable, "-c", limited, *map(str, arguments)]
    done = subprocess.run(process, capture_output=True, text=True, check=False, cwd=tmp_path, timeout=120)
    assert done.returncode == 1, done
    assert done.stderr.splitlines()[-1].startswith("error: "), done.stderr
    assert "Traceback" not in done.stderr
    left = [path for path in tmp_path.rglob("*") if path.is_file() and path.suffix != ".log"]
    assert all(path.suffix in (".jpg", ".jsonl") for path in left), left
    for path in left:
        assert path.suffix != ".jpg" or cv2.imread(str(path)) is not None, "whole or not there"


@needs_torch
@needs_toolkit
@pytest.mark.toolkit
def test_from_pt_to_boxes(tmp_path: Path) -> None:
    """The whole path in two commands."""
    shutil.copy(DEMO, tmp_path / "v8n.pt")
    done = yolorknn("export", "v8n.pt", "--dataset", DATASET, cwd=tmp_path)
    assert done.returncode == 0 and done.stdout.splitlines() == ["v8n.onnx", "v8n-rk3588-i8.rknn"]
    refusal = refused("detect", DATASET / "images", "--model", "v8n-rk3588-i8.rknn", cwd=tmp_path)
    assert "--simulate" in refusal and "v8n.onnx" in refusal
    image = DATASET / "images/0003.jpg"
    options = ("--model", "v8n-rk3588-i8.rknn", "--simulate", "--json", "-")
    simulated = yolorknn("detect", image, *options, cwd=tmp_path)
    assert simulated.returncode == 0, simulated.stderr
    assert json.loads(simulated.stdout)["detections"]
