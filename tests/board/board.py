"""What the tests on the emulated board share: its models, frames and recorded outputs, and how it is asked."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from yolorknn import Detections, Detector
from yolorknn.__main__ import main
from yolorknn.image import read_image
from yolorknn.runtime.cores import chosen

if "YOLORKNN_BOARD_DATA" not in os.environ:
    pytest.skip("runs on the emulated board: tests/runtime/test_board_emulator.py starts it", allow_module_level=True)

DATA = Path(os.environ["YOLORKNN_BOARD_DATA"])
MODEL = DATA / "demo-rk3588-i8.rknn"
FRAMES = sorted((DATA / "frames").glob("*.png"))
WANTED = json.loads((DATA / "detections.json").read_text())
WHEEL = chosen("auto") == "lite"
needs_wheel = pytest.mark.skipif(not WHEEL, reason="of the vendor's wheel")
once = pytest.mark.skipif(os.environ["LITE"] != "newest", reason="the same with every wheel, and with none")


def check(found: Detections, wanted: list[list[float]], *, half: bool = False) -> None:
    """Compare with what the simulator's outputs gave on the PC; exp() of another processor differs in the last bits.

    With `half` these outputs went through a model whose own are float16.
    """
    scores = np.array([row[4] for row in wanted], np.float16 if half else np.float32)
    assert found.class_id.tolist() == [row[5] for row in wanted]
    assert found.confidence == pytest.approx(scores.astype(np.float32), abs=1e-6)
    boxes = np.array([row[:4] for row in wanted]).ravel()
    assert found.xyxy.ravel() == pytest.approx(boxes, abs=0.05 if half else 1e-3)


def loses_one_frame(detector: Detector) -> None:
    """Stream frames of which one is lost to a hung core; what is found in the others is right, and in their order."""
    stream = detector.stream(read_image(path) for path in FRAMES * 6)
    indices = []
    for result in stream:
        check(result.detections, WANTED[FRAMES[result.index % len(FRAMES)].name])
        indices.append(result.index)
    assert stream.lost == 1 and len(indices) == 6 * len(FRAMES) - 1 and indices == sorted(indices)


def boxes(row: dict[str, Any]) -> list[list[float]]:
    return [[*box["xyxy"], box["confidence"], box["class_id"]] for box in row["detections"]]


def command(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> object:
    """Run the command line in this process, as every start of another costs seconds here; return its exit status."""
    monkeypatch.setattr(sys, "argv", ["yolorknn", *map(str, arguments)])
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        main()
    except SystemExit as ended:
        return ended.code
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return 0
