"""Poses and oriented boxes as the model zoo has them: whole networks, against what ultralytics' head finds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import DATASET, needs_ort, needs_torch
from tests.fakes.families import make_checkpoint
from tests.fakes.rknn_files import write_rknn
from yolorknn import BuildError, Detector, MetadataError, SimulatedNpu
from yolorknn.convert.export.export import export
from yolorknn.convert.recipe.build_options import BuildOptions
from yolorknn.convert.recipe.joint import check_keypoints
from yolorknn.image import Letterbox
from yolorknn.model import rknn_file
from yolorknn.model.metadata import ModelMetadata, Output
from yolorknn.model.values import Quantized
from yolorknn.tasks.joined import apart, joined_shapes
from yolorknn.tasks.known import TASKS, metadata_of
from yolorknn.tasks.task import Thresholds

SIDE = 192
IMAGES = sorted((DATASET / "images").glob("*.jpg"))[:3]


def zoo_forward(self: Any, features: list[Any]) -> tuple[Any, ...]:
    """What Rockchip's fork exports: box and class logits joined; keypoints decoded, or the angle after sigmoid."""
    import torch

    joined, last = [], []
    for number, feature in enumerate(features):
        joined.append(torch.cat([self.cv2[number](feature), self.cv3[number](feature)], 1))
        raw = self.cv4[number](feature)
        stride, (_, _, height, width) = float(self.stride[number]), raw.shape
        if hasattr(self, "kpt_shape"):
            y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
            points = raw.view(1, *self.kpt_shape, height, width)
            points = torch.stack(
                [(points[:, :, 0] * 2 + x) * stride, (points[:, :, 1] * 2 + y) * stride, points[:, :, 2].sigmoid()], 2
            )
            last.append(points.flatten(3))
        else:
            last.append(raw.sigmoid().flatten(2))
    return (*joined, torch.cat(last, -1))


def as_the_zoo_has_it(checkpoint: Path, target: Path) -> Path:
    import torch

    from yolorknn.convert.export.checkpoint import load, quiet
    from yolorknn.convert.export.detect import computing_with
    from yolorknn.convert.export.torch_versions import write_onnx

    with quiet(), torch.no_grad():
        module = computing_with(load(checkpoint)[0], zoo_forward)
        names = ["a", "b", "c", "d"]
        write_onnx(
            module,
            torch.zeros(1, 3, SIDE, SIDE),
            str(target),
            opset_version=12,
            input_names=["images"],
            output_names=names,
        )
    return target


@needs_torch
@needs_ort
@pytest.mark.parametrize("config", ["yolov8n-pose.yaml", "yolov8n-obb.yaml"])
def test_it_finds_what_the_split_head_finds(config: str, tmp_path: Path) -> None:
    """The split head's results were compared with ultralytics' own, in test_pose.py and test_obb.py."""
    names = ("person",) if "pose" in config else ("plane", "ship", "car")
    checkpoint = make_checkpoint(config, tmp_path, names=names, imgsz=SIDE)
    zoo = as_the_zoo_has_it(checkpoint, tmp_path / "zoo.onnx")
    split = export(checkpoint, imgsz=(SIDE, SIDE), output=tmp_path)
    with Detector(zoo, conf=0.3) as detector, Detector(split, conf=0.3) as expecting:
        assert detector.metadata.task == expecting.metadata.task
        assert [output.role for output in detector.metadata.outputs][:3] == ["joined"] * 3
        some = 0
        for image in IMAGES:
            found, expected = detector.detect(image), expecting.detect(image)
            assert found.class_id.tolist() == expected.class_id.tolist()
            assert found.confidence == pytest.approx(expected.confidence, abs=1e-3)
            assert found.xyxy == pytest.approx(expected.xyxy, abs=0.1)
            if expected.keypoints is not None:
                assert found.keypoints == pytest.approx(expected.keypoints, abs=0.1)
            if expected.xyxyxyxy is not None:
                assert found.xyxyxyxy == pytest.approx(expected.xyxyxyxy, abs=0.1)
            some += len(found)
        assert some > 5
    with Detector(zoo, backends=[SimulatedNpu(zoo, 0.1)]) as made_up:
        assert len(made_up.detect(IMAGES[0])) > 0


def stated(task: str) -> ModelMetadata:
    last = Output("d", "points" if task == "pose" else "angles", 0)
    outputs = (*(Output(name, "joined", stride) for name, stride in zip("abc", (8, 16, 32), strict=True)), last)
    points = tuple(f"keypoint{number}" for number in range(17)) if task == "pose" else ()
    return ModelMetadata(("class0",), (64, 96), "split", outputs, task=task, keypoints=points)


@pytest.mark.parametrize("task", ["pose", "obb"])
def test_a_rknn_of_the_zoo(task: str, tmp_path: Path) -> None:
    file = rknn_file.read(write_rknn(tmp_path / "m.rknn", stated(task), custom=None))
    found = metadata_of(file)
    assert (found.task, found.outputs, found.names) == (task, stated(task).outputs, ("class0",))
    with pytest.raises(MetadataError):
        metadata_of(file, names=["a", "b"])


@pytest.mark.parametrize("task", ["pose", "obb"])
def test_nothing_may_be_found(task: str) -> None:
    outputs = [np.full(shape, -9, np.float32) for shape in joined_shapes(stated(task)).values()]
    outputs[-1][:] = 0.5
    placed = Letterbox.fit((50, 70), (64, 96))
    found = TASKS[task].decode(outputs, stated(task), Thresholds(), placed)
    assert len(found) == 0
    if found.keypoints is not None:
        assert found.keypoints.shape == (0, 17, 3)


def test_quantized_classes_are_the_sigmoid_of_their_values() -> None:
    rng = np.random.default_rng(0)
    metadata = stated("obb")
    outputs = [
        Quantized(rng.integers(-128, 128, (1, 65, 64 // stride, 96 // stride)).astype(np.int8), 0.1, 20)
        for stride in (8, 16, 32)
    ]
    parts, as_split = apart([*outputs, np.zeros((1, 1, 126), np.float32)], metadata)
    assert [output.role for output in as_split.outputs] == ["box", "cls"] * 3 + ["angles"]
    for output, box, cls in zip(outputs, parts[0::2], parts[1::2], strict=False):
        assert isinstance(box, Quantized) and np.array_equal(box.numbers, output.numbers[:, :64])
        logits = 0.1 * (output.numbers[:, 64:].astype(float) - 20)
        assert cls == pytest.approx(1 / (1 + np.exp(-logits)), abs=1e-6)


def test_keypoints_in_pixels_are_not_quantized() -> None:
    with pytest.raises(BuildError, match="would lose its keypoints"):
        check_keypoints(BuildOptions(), stated("pose"), Path("m.onnx"))
    check_keypoints(BuildOptions(float16=("d",)), stated("pose"), Path("m.onnx"))
    check_keypoints(BuildOptions(), stated("obb"), Path("m.onnx"))
