"""Models for other programs: what their own code finds in the outputs is what the detector finds.

Frigate's and the model zoo's post-processing are written here from their contracts; ultralytics' is really run.
"""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.conftest import DATASET, DEMO, needs_ort, needs_toolkit, needs_torch
from tests.fakes.families import make_checkpoint
from tests.fakes.rknn_files import write_rknn
from tests.fakes.rknnlite import install
from yolorknn import Detections, Detector, build
from yolorknn.convert.export.export import export
from yolorknn.convert.export.programs import folder_for, write_beside
from yolorknn.image import letterbox, read_image
from yolorknn.model import onnx_file
from yolorknn.model.metadata import Build, ModelMetadata
from yolorknn.tasks.known import metadata_of

pytestmark = [needs_torch, needs_ort]
IMAGES = sorted((DATASET / "images").glob("*.jpg"))[:4]
SIDE = 192


@pytest.fixture(scope="module")
def split(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export(DEMO, imgsz=(SIDE, SIDE), output=tmp_path_factory.mktemp("split"))


def square(image: Path) -> NDArray[np.uint8]:
    """An image of the input's own size, BGR, as Frigate crops its regions."""
    return np.ascontiguousarray(letterbox(read_image(image), (SIDE, SIDE))[0][..., ::-1])


def run(model: Path, image: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    pixels = np.ascontiguousarray(image[..., ::-1].transpose(2, 0, 1)[None], np.float32) / 255
    found: list[NDArray[np.float32]] = session.run(None, {"images": pixels})
    return found


def suppressed(rows: list[tuple[int, float, list[float]]], iou: float, *, agnostic: bool) -> list[Any]:
    kept: list[tuple[int, float, list[float]]] = []
    for row in sorted(rows, key=lambda row: -row[1]):
        for other in kept:
            sides = [max(0.0, min(row[2][at + 2], other[2][at + 2]) - max(row[2][at], other[2][at])) for at in (0, 1)]
            areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (row[2], other[2])]
            if (agnostic or row[0] == other[0]) and math.prod(sides) > iou * (sum(areas) - math.prod(sides)):
                break
        else:
            kept.append(row)
    return kept


def assert_same(rows: list[Any], found: Detections, *, pixels: float) -> None:
    assert [row[0] for row in rows] == found.class_id.tolist()
    assert [row[1] for row in rows] == pytest.approx(found.confidence, abs=2e-3)
    boxes = np.array([row[2] for row in rows]).reshape(-1, 4)
    assert np.clip(boxes, 0, SIDE) == pytest.approx(found.xyxy, abs=pixels)


def frigate(output: NDArray[np.float32]) -> list[Any]:
    """Its yolo-generic: the longer side are the boxes; above 0.4; NMS at 0.4 whatever the class; at most 20."""
    table = np.squeeze(output)
    table = table.T if table.shape[0] < table.shape[1] else table
    rows = []
    for x, y, w, h, *scores in table.tolist():
        if max(scores) > 0.4:
            rows.append((int(np.argmax(scores)), max(scores), [x - w / 2, y - h / 2, x + w / 2, y + h / 2]))
    return suppressed(rows, 0.4, agnostic=True)[:20]


def test_frigate(split: Path, tmp_path: Path) -> None:
    made = export(DEMO, imgsz=(SIDE, SIDE), program="frigate", output=tmp_path)
    assert made.name == "demo-frigate.onnx"
    some = 0
    with Detector(split, conf=0.4, iou=0.4, agnostic_nms=True) as detector, Detector(made, conf=0.4) as own:
        assert own.metadata.head == "decoded" and not own.metadata.normalized
        for image in map(square, IMAGES):
            (output,) = run(made, image)
            assert output.shape == (1, 4 + len(detector.names), sum((SIDE // stride) ** 2 for stride in (8, 16, 32)))
            found = detector.detect(image)
            assert_same(frigate(output), found, pixels=0.05)
            some += len(found)
    assert some > 5


def zoo(outputs: list[NDArray[np.float32]], threshold: float) -> list[Any]:
    """Its C++ programs: three outputs a stride, cells passed over by their sum, DFL by its softmax."""
    rows = []
    for level in range(3):
        box, score, total = outputs[3 * level : 3 * level + 3]
        assert total.shape[1] == 1 and box.shape[1] % 4 == 0
        bins, stride = box.shape[1] // 4, SIDE // box.shape[2]
        for i in range(box.shape[2]):
            for j in range(box.shape[3]):
                if total[0, 0, i, j] < threshold or score[0, :, i, j].max() <= threshold:
                    continue
                chance = np.exp(box[0, :, i, j].reshape(4, bins).astype(float))
                left, top, right, bottom = (chance / chance.sum(1, keepdims=True)) @ np.arange(bins)
                corners = [(j + 0.5 - left), (i + 0.5 - top), (j + 0.5 + right), (i + 0.5 + bottom)]
                best = int(score[0, :, i, j].argmax())
                rows.append((best, float(score[0, best, i, j]), [side * stride for side in corners]))
    return suppressed(rows, 0.45, agnostic=False)


def test_zoo(split: Path, tmp_path: Path) -> None:
    made = export(DEMO, imgsz=(SIDE, SIDE), program="zoo", output=tmp_path)
    names = [output.role for output in metadata_of(onnx_file.read(made)).outputs]
    assert names == ["box", "cls", "sum"] * 3
    some = 0
    with Detector(split, conf=0.25, iou=0.45) as detector, Detector(made, conf=0.25, iou=0.45) as own:
        for image in map(square, IMAGES):
            found = detector.detect(image)
            assert_same(zoo(run(made, image), 0.25), found, pixels=0.05)
            assert own.detect(image).xyxy == pytest.approx(found.xyxy, abs=0.01)
            some += len(found)
    assert some > 5


@pytest.mark.parametrize("dtype", ["fp16", "i8"])
def test_ultralytics_itself_loads_the_folder(
    split: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dtype: Any
) -> None:
    """Its own code, with a stand-in for the vendor's wheel that computes what the .onnx says."""
    from ultralytics import YOLO

    made = export(DEMO, imgsz=(SIDE, SIDE), program="ultralytics", dtype=dtype, output=tmp_path)
    metadata = ModelMetadata(**{**metadata_of(onnx_file.read(made)).__dict__, "build": Build("rk3588", dtype, "2.3.2")})
    assert metadata.normalized == (dtype == "i8")
    folder = folder_for("ultralytics", made.with_name(f"{made.stem}-rk3588-{dtype}.rknn"))
    assert folder == tmp_path / f"demo-rk3588-{dtype}_rknn_model"
    folder.mkdir()
    rknn = write_rknn(folder / f"{made.stem}-rk3588-{dtype}.rknn", metadata)
    assert [path.name for path in write_beside("ultralytics", rknn)] == ["metadata.yaml"]
    lite, modules = install("rk3588")
    lite.answer = lambda image: [run(made, image[0][..., ::-1])[0].copy()]
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr("ultralytics.nn.backends.rknn.is_rockchip", lambda: True)
    monkeypatch.setattr("ultralytics.nn.backends.rknn.check_requirements", lambda *_, **__: True)
    model = YOLO(str(folder), task="detect")
    some = 0
    with Detector(split, conf=0.25, iou=0.7) as detector:
        for path in IMAGES:
            image = square(path)
            (theirs,) = model.predict(image, conf=0.25, iou=0.7, verbose=False)
            found = detector.detect(image)
            assert theirs.names == detector.names
            boxes = theirs.boxes
            assert len(boxes) == len(found)
            rows = list(zip(boxes.cls.int().tolist(), boxes.conf.tolist(), boxes.xyxy.tolist(), strict=True))
            assert_same(rows, found, pixels=0.05)
            some += len(found)
    assert some > 5
    assert set(lite.wrongs) <= {f"fed uint8 (1, {SIDE}, {SIDE}, 3)"}, "not contiguous, as ultralytics has it"


@pytest.mark.slow
@needs_toolkit
@pytest.mark.toolkit
def test_frigate_on_the_simulator(split: Path, tmp_path: Path) -> None:
    """The .rknn as Frigate is given it: uint8 NHWC in, one float output."""
    from yolorknn.convert.recipe.request import BuildRequest
    from yolorknn.convert.simulator import SimulatorSession

    made = build(export(DEMO, imgsz=(SIDE, SIDE), program="frigate", output=tmp_path), dtype="fp16")
    session = SimulatorSession(BuildRequest(made))
    try:
        with Detector(split, conf=0.4, iou=0.4, agnostic_nms=True) as detector:
            image = square(IMAGES[0])
            (name,) = [tensor.name for tensor in session.inputs]
            (output,) = session.run({name: np.ascontiguousarray(image[None, ..., ::-1])}).values()
            assert_same(frigate(output), detector.detect(image), pixels=1.0)
    finally:
        session.close()


@pytest.mark.slow
def test_the_zoo_s_segmentation_without_our_metadata(tmp_path: Path) -> None:
    """Thirteen outputs in its order, recognised as what they are, find what the split head finds."""
    import onnx

    checkpoint = make_checkpoint("yolov8n-seg.yaml", tmp_path, names=("a", "b", "c"), imgsz=SIDE)
    expecting = export(checkpoint, imgsz=(SIDE, SIDE), output=tmp_path)
    made = export(checkpoint, imgsz=(SIDE, SIDE), program="zoo", output=tmp_path)
    model = onnx.load(str(made))
    del model.metadata_props[:]
    onnx.save(model, str(made))
    with Detector(made, conf=0.4) as detector, Detector(expecting, conf=0.4) as split:
        roles = [output.role for output in detector.metadata.outputs]
        assert roles == ["box", "cls", "sum", "mask"] * 3 + ["proto"]
        found, expected = detector.detect(IMAGES[0]), split.detect(IMAGES[0])
    assert len(found) == len(expected) > 3
    assert found.xyxy == pytest.approx(expected.xyxy, abs=0.05)
    assert found.mask is not None and expected.mask is not None
    assert (found.mask != expected.mask).mean() < 1e-3
