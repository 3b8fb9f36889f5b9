"""Eight pictures, and the cell that the stand-in for librknnrt answers each with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.fakes.encode import Cell, split_metadata
from yolorknn import Detections
from yolorknn.image import letterbox
from yolorknn.model import rknn_file
from yolorknn.model.metadata import Build, ModelMetadata
from yolorknn.runtime.rknnrt import RknnRtSession, Weights

IMGSZ = (64, 96)
METADATA = ModelMetadata(**{**split_metadata(IMGSZ, 3).__dict__, "build": Build("rk3588", "i8", "2.3.2")})
CELLS = [
    Cell(8, 3, 4, 1, 0.75, (1, 2, 3, 4)),
    Cell(16, 2, 1, 0, 0.5, (1, 1, 2, 2)),
    Cell(32, 0, 2, 2, 0.9, (2, 1, 1, 1)),
]
RUN = "rknn_run"
"""The library's call for an inference."""


def picture(number: int) -> NDArray[np.uint8]:
    return np.random.default_rng(number).integers(0, 256, (*IMGSZ, 3), np.uint8)


def of(number: int) -> Cell:
    return CELLS[number % 8 % len(CELLS)]


def is_of(found: Detections, number: int) -> None:
    """Compare with the cell, which int8 has moved by some hundredths."""
    cell = of(number)
    assert found.class_id.tolist() == [cell.class_id]
    assert found.confidence[0] == pytest.approx(cell.confidence, abs=0.5 / 255)
    expected = np.clip(cell.xyxy, 0, [*IMGSZ[::-1], *IMGSZ[::-1]])
    assert found.xyxy[0] == pytest.approx(expected, abs=0.1 * cell.stride)


def one_core(model: Path) -> RknnRtSession:
    return Weights(rknn_file.read(model)).open(0)


def batch(number: int) -> dict[str, NDArray[np.uint8]]:
    return {"images": letterbox(picture(number), IMGSZ)[0][None]}
