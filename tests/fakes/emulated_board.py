"""The emulated board, and what its NPU would answer: recorded here, from the simulator."""

from __future__ import annotations

import filecmp
import json
import os
import shutil
import struct
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from tests.conftest import DATASET, DEMO_ONNX, ROOT
from tests.fakes.backends_of import simulated
from yolorknn import Detections, Detector
from yolorknn.image import letterbox, read_image
from yolorknn.stream.sources.open_source import open_source

BOARD = Path(os.environ.get("YOLORKNN_BOARD", Path.home() / ".cache/yolorknn-board"))
PYTHON = BOARD / "board-python"
STANDIN, LIBRARY = ROOT / "tests/board/librknnrt.c", BOARD / "librknnrt.c"
IMAGES = sorted((DATASET / "images").glob("*.jpg"))[:6]

needs_board = pytest.mark.skipif(
    not PYTHON.exists() or shutil.which("qemu-aarch64-static") is None or not filecmp.cmp(STANDIN, LIBRARY),
    reason=f"no emulated board in {BOARD}, or one of another version: sh scripts/board-emulator.sh",
)


class Recording:
    """A simulator that notes what it was given and what it answered, as librknnrt.c reads it."""

    def __init__(self, model: Path, dataset: Path) -> None:
        self._simulator = simulated(model, dataset)
        self.records: dict[int, bytes] = {}

    def infer(self, image: np.ndarray) -> list[np.ndarray]:
        outputs = self._simulator.infer(image)
        floats = np.concatenate([array.ravel() for array in outputs]).astype("<f4")
        key = zlib.crc32(np.ascontiguousarray(image).tobytes())
        self.records[key] = struct.pack("<II", key, floats.size) + floats.tobytes()
        return outputs

    def close(self) -> None:
        self._simulator.close()


def rows(found: Detections) -> Any:
    return np.column_stack([found.xyxy, found.confidence, found.class_id]).astype(float).tolist()


def record(folder: Path) -> Path:
    """Models, frames, a video, and the simulator's answers to them."""
    from yolorknn.convert.build import build

    dataset = folder / "frames"
    dataset.mkdir()
    for path in IMAGES:  # PNG: the decoders of two processors agree
        cv2.imwrite(str(dataset / f"{path.stem}.png"), read_image(path))
    shutil.copy(DEMO_ONNX, folder)
    model = build(folder / DEMO_ONNX.name, platform="rk3588", dataset=dataset)
    build(folder / DEMO_ONNX.name, platform="rk3566", dtype="fp16")
    writer = cv2.VideoWriter(str(folder / "video.mp4"), cv2.VideoWriter.fourcc(*"mp4v"), 20.0, (320, 320))
    for path in IMAGES:
        writer.write(letterbox(read_image(path), (320, 320))[0][..., ::-1])
    writer.release()
    recording = Recording(model, dataset)
    with Detector(model, backends=[recording]) as detector:
        wanted = {path.name: rows(detector.detect(path)) for path in sorted(dataset.iterdir())}
        source, video, keys = open_source(folder / "video.mp4"), [], []
        while frame := source.read():
            video.append(rows(detector.detect(frame[0])))
            keys.append(zlib.crc32(np.ascontiguousarray(letterbox(frame[0], (320, 320))[0]).tobytes()))
        source.close()
    assert len(video) == len(IMAGES) and sum(map(len, video)) > 0
    (folder / "detections.json").write_text(json.dumps({**wanted, "video": video}))
    (folder / "video.json").write_text(json.dumps(keys))
    (folder / "replay.bin").write_bytes(b"YKRP" + b"".join(recording.records.values()))
    return folder
