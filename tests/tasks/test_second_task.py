"""A second task costs one file: here one of a test's own goes the whole way, and nothing else knows of it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from tests.conftest import needs_ort, needs_torch
from yolorknn import Detections, Detector, MetadataError, SimulatedNpu, draw
from yolorknn.cli.app import app
from yolorknn.image import Canvas, Image, Letterbox
from yolorknn.model.evidence import Evidence
from yolorknn.model.metadata import ONNX_KEY, ModelMetadata, Output, Tensor
from yolorknn.model.values import Values, floats
from yolorknn.tasks.known import TASKS
from yolorknn.tasks.likeness import Likeness
from yolorknn.tasks.task import Floats, Layout, Thresholds, Wording

SIDE = 64


class Brightest:
    """Where an image is brightest, as a box of one pixel; outputs `rows` (1, 3, h, 1) and `columns` (1, 3, 1, w)."""

    name = "brightest"
    key = "detections"

    def shapes(self, metadata: ModelMetadata) -> dict[str, tuple[int, ...]]:
        height, width = metadata.imgsz
        sides = {"rows": (1, 3, height, 1), "columns": (1, 3, 1, width)}
        return {output.name: sides[output.role] for output in metadata.outputs}

    def fits(self, metadata: ModelMetadata, outputs: Sequence[Tensor]) -> bool:
        return {tensor.name: tensor.shape for tensor in outputs} == self.shapes(metadata)

    def recognise(self, imgsz: tuple[int, int], outputs: Sequence[Tensor], evidence: Evidence) -> Layout | None:
        return None

    def canvas(self, imgsz: tuple[int, int]) -> Canvas:
        return Canvas(imgsz)

    def decode(
        self, outputs: Sequence[Values], metadata: ModelMetadata, thresholds: Thresholds, placed: Letterbox
    ) -> Detections:
        y, x = (float(floats(output).sum(axis=1).argmax()) for output in outputs)
        box = placed.undo(np.array([[x, y, x + 1, y + 1]]))
        return Detections(box, np.ones(1, np.float32), np.zeros(1, np.int64))

    def scene(self, metadata: ModelMetadata) -> list[Floats]:
        return [
            np.eye(1, int(np.prod(shape)), 5, np.float32).reshape(shape) for shape in self.shapes(metadata).values()
        ]

    def holds(self, found: object) -> bool:
        return isinstance(found, Detections)

    def likeness(self, expected: Detections, found: Detections) -> tuple[Likeness, ...]:
        return ()

    def record(self, detections: Detections, wording: Wording) -> list[dict[str, Any]]:
        return [{"at": xyxy[:2].tolist(), "name": wording.names[class_id]} for xyxy, _, class_id in detections]

    def read(self, records: Sequence[Mapping[str, Any]]) -> Detections:
        at = np.array([record["at"] for record in records], np.float32)
        count = len(records)
        return Detections(np.hstack([at, at + 1]), np.ones(count, np.float32), np.zeros(count, np.int64))

    def draw(self, canvas: Image, detections: Detections, names: Mapping[int, str] | Sequence[str]) -> None:
        for xyxy, _, _ in detections:
            canvas[int(xyxy[1]), int(xyxy[0])] = (1, 2, 3)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    import onnx
    from onnx import TensorProto, helper

    metadata = ModelMetadata(
        names=("light",),
        imgsz=(SIDE, SIDE),
        head="split",
        outputs=(Output("r", "rows", 0), Output("c", "columns", 0)),
        task="brightest",
    )
    nodes = [
        helper.make_node("ReduceMax", ["images"], [name], axes=[axis], keepdims=1)
        for name, axis in (("r", 3), ("c", 2))
    ]
    outputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in (("r", (1, 3, SIDE, 1)), ("c", (1, 3, 1, SIDE)))
    ]
    image = helper.make_tensor_value_info("images", TensorProto.FLOAT, (1, 3, SIDE, SIDE))
    made = helper.make_model(
        helper.make_graph(nodes, "brightest", [image], outputs),
        opset_imports=[helper.make_opsetid("", 13)],
        ir_version=8,
    )
    made.metadata_props.add(key=ONNX_KEY, value=metadata.to_json())
    onnx.save(made, str(tmp_path / "light.onnx"))
    return tmp_path / "light.onnx"


def lit(x: int, y: int) -> Image:
    image = np.zeros((SIDE, SIDE, 3), np.uint8)
    image[y, x] = 255
    return image


@needs_ort
@needs_torch
def test_a_task_of_ones_own(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(MetadataError, match="task 'brightest' is not"):
        Detector(model)
    monkeypatch.setitem(TASKS, "brightest", Brightest())
    with Detector(model) as detector:
        for x, y in ((3, 40), (63, 0)):
            assert detector.detect(lit(x, y)).xyxy.tolist() == [[x, y, x + 1, y + 1]]
        found = [result.detections for result in detector.stream([lit(1, 2), lit(30, 20)])]
    assert [detections.xyxy[0, :2].tolist() for detections in found] == [[1, 2], [30, 20]]
    with Detector(model, backends=[SimulatedNpu(model, 0.1)]) as detector:
        assert detector.detect(lit(3, 40)).xyxy.tolist() == [[5, 5, 6, 6]]
    cv2.imwrite(str(tmp_path / "a.png"), lit(9, 7))
    done = CliRunner().invoke(
        app, ["detect", str(tmp_path / "a.png"), "-m", str(model), "--json", "-", "-o", str(tmp_path / "runs")]
    )
    (line,) = map(json.loads, done.stdout.splitlines())
    assert line["detections"] == [{"at": [9.0, 7.0], "name": "light"}]
    assert TASKS["brightest"].read(line["detections"]).xyxy.tolist() == [[9, 7, 10, 8]]
    picture = cv2.imread(str(next((tmp_path / "runs").rglob("a.png"))))
    assert picture is not None and picture[7, 9].tolist() == [1, 2, 3]
    assert np.array_equal(draw(lit(9, 7), found[0], ["light"])[2, 1], (1, 2, 3))
