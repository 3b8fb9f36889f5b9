"""YOLOX and YOLOv6 as the model zoo exports them, whole networks through onnxruntime, against their formulas."""

from __future__ import annotations

import math
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.conftest import DATASET, needs_ort, needs_toolkit, needs_torch
from tests.fakes import other_networks
from tests.fakes.other_networks import IMAGES, IMGSZ, shown, yolov6, yolox
from tests.fakes.rknn_files import write_rknn
from tests.tasks.others import Box, assert_same, kept_by_brute_force, run
from yolorknn import Detector, MetadataError, build
from yolorknn.data.calibration_set import CalibrationSet
from yolorknn.image import Canvas
from yolorknn.model import rknn_file
from yolorknn.model.metadata import ModelMetadata, Output
from yolorknn.tasks.agreement import agreement, total
from yolorknn.tasks.known import metadata_of

CLASSES = 5


def of_yolox(outputs: list[NDArray[np.float32]], conf: float) -> list[Box]:
    """Box by box: centre (x + cell) * stride, size exp(w) * stride, score objectness times the best class."""
    found: list[Box] = []
    for level, output in enumerate(outputs):
        stride, (_, _, height, width) = 8 * 2**level, output.shape
        for row in range(height):
            for column in range(width):
                x, y, w, h, sure, *scores = map(float, output[0, :, row, column])
                if max(scores) * sure <= conf:
                    continue
                cx, cy, w, h = (x + column) * stride, (y + row) * stride, math.exp(w) * stride, math.exp(h) * stride
                box = [cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2]
                found.append((int(np.argmax(scores)), max(scores) * sure, box))
    return found


def of_yolov6(outputs: list[NDArray[np.float32]], conf: float, *, each: int) -> list[Box]:
    """Box by box: distances to left, top, right, bottom in cells from the cell's centre, as they are or expected."""
    found: list[Box] = []
    for level in range(3):
        sides, scores = outputs[each * level], outputs[each * level + 1]
        stride, (_, channels, height, width) = 8 * 2**level, sides.shape
        for row in range(height):
            for column in range(width):
                best = scores[0, :, row, column]
                if best.max() <= conf:
                    continue
                bins = sides[0, :, row, column].reshape(4, channels // 4).astype(float)
                chances = [np.exp(line) / np.exp(line).sum() for line in bins]
                ways = [
                    line[0] if len(line) == 1 else chance @ np.arange(len(line))
                    for line, chance in zip(bins, chances, strict=True)
                ]
                left, top, right, bottom = map(float, ways)
                x, y = column + 0.5, row + 0.5
                box = [(x - left) * stride, (y - top) * stride, (x + right) * stride, (y + bottom) * stride]
                found.append((int(best.argmax()), float(best.max()), box))
    return found


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("yolox") / "x.onnx"
    return other_networks.write(path, yolox(CLASSES), names=["a", "b", "c"], pixels=1, colour="BGR")


@needs_torch
@needs_ort
def test_yolox(zoo: Path) -> None:
    """It is shown BGR, 0 to 255, as YOLOX trains."""
    with Detector(zoo, conf=0.3, iou=0.5) as detector:
        assert (detector.metadata.colour, detector.metadata.std) == ("BGR", (1.0, 1.0, 1.0))
        for image, pixels in zip(IMAGES, shown(1, "BGR"), strict=True):
            expected = kept_by_brute_force(of_yolox(run(zoo, pixels), 0.3), iou=0.5)
            assert len(expected) > 3
            assert_same(detector.detect(image), expected, image)


@needs_torch
@needs_ort
@pytest.mark.parametrize(("bins", "sums"), [(1, False), (1, True), (17, True)])
def test_yolov6(bins: int, sums: bool, tmp_path: Path) -> None:
    names = [f"o{number}" for number in range(9 if sums else 6)]
    path = other_networks.write(tmp_path / "v6.onnx", yolov6(CLASSES, bins=bins, sums=sums), names=names)
    with Detector(path, conf=0.5, iou=0.5) as detector:
        assert detector.metadata.reg_max == bins
        for image, pixels in zip(IMAGES[:2], shown(), strict=False):
            boxes = of_yolov6(run(path, pixels), 0.5, each=3 if sums else 2)
            expected = kept_by_brute_force(boxes, iou=0.5)
            assert len(expected) > 3
            assert_same(detector.detect(image), expected, image)


def test_a_rknn_of_yolox(tmp_path: Path) -> None:
    """Nothing shows its parts, so its classes must be named: no other head has as many channels for these."""
    outputs = tuple(Output(f"o{stride}", "yolox", stride) for stride in (8, 16, 32))
    stated = ModelMetadata(tuple("abcde"), (64, 96), "split", outputs)
    file = rknn_file.read(write_rknn(tmp_path / "m.rknn", stated, custom=None))
    file = replace(file, ranges=dict.fromkeys(("o8", "o16", "o32"), (-3.0, 4.0)))
    found = metadata_of(file, names=list("abcde"))
    assert (found.outputs, found.colour, found.std) == (outputs, "BGR", (1.0, 1.0, 1.0))
    with pytest.raises(MetadataError, match=r"may be of YOLOX.*--names"):
        metadata_of(file)
    with pytest.raises(MetadataError):
        metadata_of(file, names=list("abcdef"))


@pytest.mark.slow
@needs_torch
@needs_toolkit
@pytest.mark.toolkit
def test_yolox_on_the_simulator(zoo: Path, tmp_path: Path) -> None:
    """In float16 it finds nearly the same: random scores are too close to each other to ask for more.

    In int8 it is calibrated with BGR images letterboxed as the detector's, and what it joins stays in float16.
    """
    images = Path(shutil.copytree(DATASET / "images", tmp_path / "images"))
    for path in sorted(images.iterdir())[20:]:
        path.unlink()
    made = build(zoo, dataset=images, output=tmp_path, names=list("abcde"))
    file = rknn_file.read(made)
    metadata = metadata_of(file)
    assert (metadata.colour, metadata.std, metadata.names) == ("BGR", (1.0, 1.0, 1.0), tuple("abcde"))
    assert {tensor.dtype for tensor in file.outputs} == {"float16"}
    (tmp_path / "laid").mkdir()
    laid = CalibrationSet.open(images).write(tmp_path / "laid", canvas=Canvas(IMGSZ), colour="BGR")
    assert metadata.build is not None and metadata.build.digest == laid.digest
    with Detector(zoo, simulate=True, conf=0.4) as chip, Detector(zoo, conf=0.4) as exact:
        rows = [agreement(str(image), exact.detect(image), chip.detect(image)) for image in IMAGES]
    found = total(rows)
    assert found.expected > 20 and found.share > 0.5 and np.median(found.ious) > 0.9
