"""A user's own program, outside the checkout, passes `mypy --strict` with the types that yolorknn has."""

from __future__ import annotations

import copy
import os
import pickle
import subprocess
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import DATASET, DEMO_ONNX, needs_ort
from yolorknn import Detections, Detector, Result, Timings, draw
from yolorknn.stream.result import without_pixels

PROGRAM = """
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from cv2.typing import MatLike
from typing_extensions import assert_type

from yolorknn import Detections, Detector, draw

def camera() -> Iterator[MatLike]:
    capture = cv2.VideoCapture(0)
    while True:
        good, frame = capture.read()
        if not good:
            return
        yield frame

def newer_opencv(image: MatLike | None, detector: Detector) -> Detections:
    return detector.detect(image)

with Detector("v8n.onnx") as detector:
    image = cv2.imread("bus.jpg")
    detections = detector.detect(image)
    detections = detector.detect(cv2.imread("bus.jpg"))
    cv2.imwrite("boxes.jpg", draw(cv2.imread("bus.jpg"), detections, detector.names))
    for xyxy, confidence, class_id in detections:
        print(detector.names[class_id].upper(), round(confidence, 2), xyxy.tolist())
    for frame, index, timestamp, found in detector.stream(Path("clip.mp4")):
        assert_type(index, int)
        assert_type(timestamp, float)
        assert_type(found, Detections)
        picture = draw(frame, found[found.confidence > 0.5], detector.names)
        cv2.putText(picture, f"{index + 1} {timestamp:.2f}", (0, 20), cv2.FONT_HERSHEY_PLAIN, 1.0, (0, 0, 0))
    with detector.stream(camera(), drop="old") as stream:
        for result in stream:
            frame, index, timestamp, found = result
            assert_type(result.index, int)
            assert_type(result.timings.infer, float)
            print(stream.dropped, len(found))
"""
WRONG = """
from yolorknn import Detector

with Detector("v8n.onnx") as detector:
    detector.detect(5)
    for frame, index, timestamp, detections in detector.stream("clip.mp4"):
        index.upper()
        detections.upper()
    for frame, index, detections in detector.stream("clip.mp4"):
        pass
"""


def check(strict_mypy: list[str], folder: Path, program: str) -> subprocess.CompletedProcess[str]:
    (folder / "program.py").write_text(program)
    command = [*strict_mypy, "program.py"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=300, env=os.environ)


def test_a_users_program_is_typed(strict_mypy: list[str], tmp_path: Path) -> None:
    done = check(strict_mypy, tmp_path, PROGRAM)
    assert done.returncode == 0, done.stdout + done.stderr
    wrong = check(strict_mypy, tmp_path, WRONG)
    lines = [line.partition("error: ")[2] for line in wrong.stdout.splitlines() if ": error: " in line]
    assert len(lines) == 4, wrong.stdout
    for line, said in zip(lines, ("detect", '"int" has no', '"Detections" has no', "Too many values"), strict=True):
        assert said in line, line


@needs_ort
def test_no_image_is_one_sentence() -> None:
    """What cv2.imread returns for a file that is not there."""
    with Detector(DEMO_ONNX) as detector:
        with pytest.raises(ValueError, match="there is no image: cv2"):
            detector.detect(None)
        detections = detector.detect(DATASET / "images/0000.jpg")
        with pytest.raises(ValueError, match="there is no image"):
            draw(None, detections, detector.names)


def test_a_result_is_a_value() -> None:
    frame, timings = np.zeros((6, 7, 3), np.uint8), Timings(1, 2, 3, 4, 5, 6)
    result = Result(frame, 7, 1.25, Detections.empty(), timings, "clip")
    assert result.frame is frame and result.timings is timings and result.source == "clip"
    assert tuple(result)[1:] == (7, 1.25, Detections.empty()) == (result.index, result.timestamp, result.detections)
    same = result
    assert result == same and result != Result(frame, 7, 1.25, Detections.empty(), timings, "clip")
    assert len({result, result}) == 1 and "7x6" in repr(result)
    for name in ("frame", "index", "timestamp", "detections", "timings", "source"):
        with pytest.raises(AttributeError):
            setattr(result, name, None)
    for again in (copy.copy(result), pickle.loads(pickle.dumps(result))):
        assert tuple(again)[1:] == tuple(result)[1:] and again.timings == timings
    given = Result(frame, 7, 1.25, Detections.empty(), timings, "clip", "unix", "door", 3, 1.5)
    for again in (copy.copy(given), without_pixels(given)):
        assert (again.clock, again.camera, again.epoch, again.arrived) == ("unix", "door", 3, 1.5)
