"""Real COCO weights and images: ours against ultralytics itself. Needs ../shared."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import SHARED, needs_shared, needs_toolkit
from tests.fakes.mean_ap import mean_ap
from yolorknn import Detections, Detector
from yolorknn.image import read_image

pytestmark = [needs_shared, pytest.mark.shared, pytest.mark.slow]

MODELS = ("yolov8n", pytest.param("yolo11n", marks=pytest.mark.exhaustive))
IMAGES = sorted((SHARED / "coco128/images/train2017").glob("*.jpg"))


@pytest.fixture(scope="module", params=MODELS)
def weights(request: pytest.FixtureRequest) -> Path:
    return SHARED / "weights" / f"{request.param}.pt"


@pytest.fixture(scope="module")
def split(weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from yolorknn.convert.export.export import export

    return export(weights, output=tmp_path_factory.mktemp("split"))


@pytest.fixture(scope="module")
def reference(weights: Path) -> list[Detections]:
    """What ultralytics finds in every image, on the same square letterbox."""
    from ultralytics import YOLO

    model = YOLO(weights)
    found = []
    for path in IMAGES:
        (result,) = model.predict(read_image(path), imgsz=640, rect=False, conf=0.25, iou=0.7, verbose=False)
        boxes = result.boxes.cpu().numpy()
        found.append(Detections(boxes.xyxy, boxes.conf, boxes.cls))
    return found


def assert_same(ours: Detections, theirs: Detections, *, pixels: float, score: float, conf: float = 0.25) -> None:
    """Each box has its counterpart; one within `score` of the threshold may be missing on the other side."""
    for some, other in ((ours, theirs), (theirs, ours)):
        for xyxy, confidence, class_id in some:
            if confidence < conf + score:
                continue
            near = [(np.abs(box - xyxy).max(), abs(conf_ - confidence)) for box, conf_, cls in other if cls == class_id]
            assert any(away <= pixels and off <= score for away, off in near), (xyxy, confidence, class_id, near)


def test_split_onnx_gives_ultralytics_boxes(split: Path, reference: list[Detections]) -> None:
    with Detector(split) as detector:
        for path, theirs in zip(IMAGES, reference, strict=True):
            assert_same(detector.detect(path), theirs, pixels=0.5, score=0.002)


def test_decoded_gives_what_split_gives(weights: Path, split: Path, tmp_path: Path) -> None:
    from yolorknn.convert.export.export import export

    decoded = export(weights, head="decoded", output=tmp_path)
    with Detector(split) as one, Detector(decoded) as other:
        for path in IMAGES[::4]:
            assert_same(one.detect(path), other.detect(path), pixels=0.05, score=1e-4)


def measuring(model: Path, **options: Any) -> Detector:
    return Detector(model, conf=0.001, multi_label=True, **options)


@needs_toolkit
@pytest.mark.toolkit
def test_simulator_fp16_agrees_with_float(split: Path) -> None:
    with Detector(split) as floating, Detector(split, simulate=True) as simulated:
        for path in IMAGES[:24]:
            # Rounding may let a neighbouring anchor with the same score win NMS: the box moves a little.
            assert_same(simulated.detect(path), floating.detect(path), pixels=8.0, score=0.01)


@needs_toolkit
@pytest.mark.toolkit
def test_int8_keeps_the_accuracy(split: Path, tmp_path: Path) -> None:
    """Calibrated on the first 64 images, measured on the other 64: within 0.005 mAP50-95 for yolov8n, 0.010 for 11n."""
    listing = tmp_path / "first 64.txt"
    listing.write_text("".join(f"{path}\n" for path in IMAGES[:64]))
    with measuring(split) as floating, measuring(split, simulate=True, dataset=listing) as quantized:
        loss = mean_ap(floating, IMAGES[64:]) - mean_ap(quantized, IMAGES[64:])
    assert loss <= (0.005 if split.stem == "yolov8n" else 0.010)


@needs_toolkit
@pytest.mark.toolkit
@pytest.mark.parametrize("platform", ["rk3588", "rk3576", "rk3568", "rk3562"])
def test_builds_for_the_platforms(split: Path, tmp_path: Path, platform: str) -> None:
    from yolorknn.convert.build import build
    from yolorknn.tasks.describe import describe

    facts = describe(build(split, platform=platform, output=tmp_path))
    assert facts["platforms"] == [platform] and facts["names"][0] == "person" and facts["imgsz"] == [640, 640]
