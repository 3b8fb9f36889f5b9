"""Every task of every family: floats as ultralytics computes them, and builds with the vendor's real toolkit."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from tests.conftest import SHARED, needs_ort, needs_shared, needs_toolkit, needs_torch
from tests.fakes.families import IMAGES, make_checkpoint
from yolorknn import Classifier, Detections, Detector
from yolorknn.image import read_image
from yolorknn.model import rknn_file
from yolorknn.tasks.known import TASKS

pytestmark = [needs_torch, needs_ort]

NAMES = ("person", "né à 東京", "a b", 'quote"', "e")
IMGSZ = 192
CONF = 0.25
SIZES = {
    "yolov8{}-seg": "nsmlx", "yolov8{}-seg-p6": "nsmlx", "yolov9{}-seg": "ce", "yolo11{}-seg": "nsmlx",
    "yolo12{}-seg": "nsmlx", "yolo26{}-seg": "nsmlx",
    "yolov8{}-pose": "nsmlx", "yolov8{}-pose-p6": "nsmlx", "yolo11{}-pose": "nsmlx", "yolo12{}-pose": "nsmlx",
    "yolo26{}-pose": "nsmlx",
    "yolov8{}-obb": "nsmlx", "yolo11{}-obb": "nsmlx", "yolo12{}-obb": "nsmlx", "yolo26{}-obb": "nsmlx",
    "yolov8{}-cls": "nsmlx", "yolo11{}-cls": "nsmlx", "yolo12{}-cls": "nsmlx", "yolo26{}-cls": "nsmlx",
}  # fmt: skip
"""Of each the floats of the smallest are compared with --slow, some by default; all others with --all."""
DEFAULT = {"yolov8n-seg", "yolo26n-seg", "yolo11n-pose", "yolo26n-pose", "yolov8n-obb", "yolo26n-obb", "yolov8n-cls"}
"""Between them: both formulas of each task, NMS and none. These are built with --slow in float16, all with --all."""
INT8 = {"yolov8n-seg", "yolo11n-pose", "yolov8n-obb", "yolov8n-cls"}
"""These in int8 too; what is before the heads test_families.py builds in either."""
LARGE = "yolov9c-seg"
"""The smallest of its family, and large."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "checkpoint" in metafunc.fixturenames:
        names = {family.format(size): size == sizes[0] for family, sizes in SIZES.items() for size in sizes}
        marks = {name: pytest.mark.slow if smallest else pytest.mark.exhaustive for name, smallest in names.items()}
        marks[LARGE] = pytest.mark.exhaustive
        if "dtype" in metafunc.fixturenames:
            often = {(name, "fp16") for name in DEFAULT | {"yolov8n-pose-p6"}} | {(name, "i8") for name in INT8}
            both = [
                pytest.param(name, dtype, marks=pytest.mark.slow if (name, dtype) in often else pytest.mark.exhaustive)
                for name in marks
                for dtype in ("fp16", "i8")
            ]
            metafunc.parametrize(("checkpoint", "dtype"), both, indirect=["checkpoint"], scope="module")
            return
        every = [pytest.param(name, marks=[] if name in DEFAULT else mark) for name, mark in marks.items()]
        metafunc.parametrize("checkpoint", every, indirect=True, scope="module")


@pytest.fixture(scope="module")
def checkpoint(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_checkpoint(f"{request.param}.yaml", tmp_path_factory.mktemp("made"), names=NAMES, imgsz=IMGSZ)


@pytest.fixture(scope="module")
def onnx(checkpoint: Path) -> Path:
    from yolorknn.convert.export.export import export

    return export(checkpoint, imgsz=(IMGSZ, IMGSZ))


def ultralytics(model: Any, path: Path, imgsz: int, **options: Any) -> Detections:
    """What ultralytics' own predict finds, its masks at the image's size."""
    (result,) = model.predict(
        read_image(path), imgsz=imgsz, rect=False, conf=CONF, iou=0.7, retina_masks=True, verbose=False, **options
    )
    result = result.cpu().numpy()
    if result.obb is not None:
        found = result.obb
        return Detections(upright(found.xyxyxyxy, result.orig_shape), found.conf, found.cls, xyxyxyxy=found.xyxyxyxy)
    boxes = result.boxes
    points = None if result.keypoints is None else result.keypoints.data
    masks = None if result.masks is None else result.masks.data.astype(bool)
    return Detections(boxes.xyxy, boxes.conf, boxes.cls, mask=masks, keypoints=points)


def upright(corners: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """The boxes around turned ones, within an image of (height, width)."""
    around = np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)
    return np.asarray(around.clip(0, [*size[::-1], *size[::-1]]), np.float32)


def direction(corners: NDArray[np.float32]) -> float:
    """The angle of a box's longer side, in degrees, 0 to 180."""
    sides = np.diff(corners[:3], axis=0)
    x, y = sides[np.hypot(*sides.T).argmax()]
    return float(np.degrees(np.arctan2(y, x)) % 180)


def assert_same(ours: Detections, theirs: Detections, floor: float = CONF) -> None:
    """Every object above `floor` has its counterpart on the other side.

    Of a random network many boxes are cut to the same by the image's edges, so one of those there will do.
    """
    for some, other in ((theirs, ours), (ours, theirs)):
        for number, (xyxy, confidence, class_id) in enumerate(some):
            if confidence >= floor + 0.002:
                near = np.abs(other.xyxy - xyxy).max(axis=1) <= 0.5
                near &= (other.class_id == class_id) & (np.abs(other.confidence - confidence) <= 0.002)
                assert near.any(), (xyxy, confidence, class_id)
                assert any(alike(some[number], other[int(at)]) for at in near.nonzero()[0]), (xyxy, confidence)


def alike(one: Detections, other: Detections) -> bool:
    """Whether what two objects have besides their boxes is the same."""
    if one.mask is not None and other.mask is not None:
        ours, theirs = one.mask[0], other.mask[0]  # of a random network's few pixels one may have a sum of all but 0
        return bool((ours ^ theirs).sum() <= max(1, 0.01 * (ours | theirs).sum()))
    if one.keypoints is not None and other.keypoints is not None:
        off = np.abs(one.keypoints[0] - other.keypoints[0])
        return bool(off[:, :2].max() <= 0.5 and off[:, 2].max() <= 0.002)
    if one.xyxyxyxy is not None and other.xyxyxyxy is not None:
        a, b = one.xyxyxyxy[0], other.xyxyxyxy[0]
        if np.linalg.norm(a[:, None] - b[None], axis=2).min(axis=1).max() > 0.5:
            return False
        square = abs(np.ptp(np.hypot(*np.diff(b[:3], axis=0).T))) <= 1  # of which no side is the longer one
        return square or abs((direction(a) - direction(b) + 90) % 180 - 90) <= 0.1
    return False


def test_floats_are_ultralytics(checkpoint: Path, onnx: Path) -> None:
    from ultralytics import YOLO

    model = YOLO(checkpoint)
    if "-cls" in checkpoint.stem:
        assert_same_probabilities(model, onnx)
        return
    options: dict[str, Any] = {"nms": False} if "26" in checkpoint.stem else {}
    with Detector(onnx, conf=CONF) as detector:
        assert detector.metadata.end_to_end == ("26" in checkpoint.stem)
        for path in IMAGES[:3]:
            theirs = ultralytics(model, path, IMGSZ, **options)
            assert len(theirs) >= 10
            ours = detector.detect(path)
            if theirs.mask is not None and ours.mask is not None:  # ultralytics leaves out objects without a pixel
                ours = ours[ours.mask.any(axis=(1, 2))]
            # Where 300 boxes are the limit, the last of them may be another one of the same score.
            assert_same(ours, theirs, CONF if len(theirs) < 300 else float(theirs.confidence.min()))


def assert_same_probabilities(model: Any, onnx: Path) -> None:
    """Of images that need no resizing, as PIL's, which ultralytics uses here, is not OpenCV's; cropped they are."""
    with Classifier(onnx) as classifier:
        for path in IMAGES[:3]:
            image = cv2.resize(read_image(path), (IMGSZ + 41, IMGSZ), interpolation=cv2.INTER_AREA)
            (result,) = model.predict(image, imgsz=IMGSZ, verbose=False)
            theirs = result.probs.data.numpy()
            ours = classifier.classify(image)
            assert np.abs(ours.confidence - theirs[ours.class_id]).max() <= 0.001 and theirs.max() - theirs.min() > 0.1
            assert ours.class_id[0] == result.probs.top1


@needs_shared
@pytest.mark.shared
@pytest.mark.slow
@pytest.mark.parametrize("name", ["yolov8n-seg", "yolov8n-pose"])
def test_floats_of_trained_weights_are_ultralytics(name: str, tmp_path: Path) -> None:
    from ultralytics import YOLO

    from yolorknn.convert.export.export import export

    weights = SHARED / f"weights/{name}.pt"
    model = YOLO(weights)
    with Detector(export(weights, output=tmp_path)) as detector:
        compared = 0
        for path in sorted((SHARED / "coco128/images/train2017").glob("*.jpg"))[::4]:
            theirs = ultralytics(model, path, 640)
            assert_same(detector.detect(path), theirs)
            compared += len(theirs)
    assert compared > 40


@needs_toolkit
@pytest.mark.toolkit
@pytest.mark.builds
@pytest.mark.slow
def test_builds(onnx: Path, tmp_path: Path, dtype: Any) -> None:
    """In fp16 the simulator finds what onnxruntime finds in each output; int8 of a random network is like nothing."""
    from tests.fakes.backends_of import floating, simulated
    from yolorknn.convert.build import build
    from yolorknn.tasks.describe import describe

    made = build(onnx, dtype=dtype, dataset=IMAGES[0] if dtype == "i8" else None, output=tmp_path)
    facts = describe(made)
    assert facts["task"] == describe(onnx)["task"] and facts["outputs"]
    if dtype == "i8" and facts["task"] == "pose":
        kept = {output.name for output in rknn_file.read(made).outputs if output.dtype == "float16"}
        assert kept == {f"keypoints{stride}" for stride in (8, 16, 32, 64)[: 4 if "-p6" in onnx.stem else 3]}
    if dtype == "fp16":
        canvas = TASKS[facts["task"]].canvas((IMGSZ, IMGSZ))
        canvas.fill(read_image(IMAGES[1]))
        with closing(simulated(onnx)) as one, closing(floating(onnx)) as other:
            answers = one.infer(canvas.pixels), other.infer(canvas.pixels)
        for ours, theirs in zip(*answers, strict=True):
            assert np.corrcoef(ours.ravel(), theirs.ravel())[0, 1] > 0.95, ours.shape
