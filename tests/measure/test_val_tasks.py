"""val of masks, poses and turned boxes against ultralytics' own val of the same labels."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import render_scenes

from tests.conftest import ROOT, SHARED, needs_ort, needs_shared, needs_torch
from tests.fakes.families import IMAGES, make_checkpoint
from yolorknn import DatasetError, Detections, Detector, export
from yolorknn.image import read_image
from yolorknn.measure.val import validate
from yolorknn.tasks.mask_text import write_mask

pytest.importorskip("pycocotools", reason="needs yolorknn[val]")
pytestmark = [needs_torch, needs_ort]

NAMES = ("person", "car", "a b")


def numbers(found: Detections, number: int, rng: np.random.Generator) -> list[float] | None:
    """A label's numbers in pixels: what was found, moved by some pixels, so that not every match is a good one."""
    moved = rng.normal(0, 0.05, 2) * (found.xyxy[number, 2:] - found.xyxy[number, :2])
    if found.mask is not None:
        polygons = write_mask(found.mask[number], "polygons")["polygons"]
        points = np.array(max(polygons, key=len, default=[])).reshape(-1, 2)
        return None if len(points) < 4 else list((points + moved).ravel())
    if found.xyxyxyxy is not None:
        return list((found.xyxyxyxy[number] + moved).ravel())
    x1, y1, x2, y2 = found.xyxy[number]
    values = [(x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1]
    if found.keypoints is not None:
        points = found.keypoints[number].astype(float)
        points[:, :2] += moved
        points[:, 2] = 2 * (points[:, 2] > 0.5)  # those beyond the image are clipped, which ultralytics' val does not
        values += list(points.ravel())
    return values


def dataset(folder: Path, onnx: Path, images: list[Path], *, conf: float) -> Path:
    """A data.yaml whose labels are most of what a model finds, moved."""
    rng = np.random.default_rng(0)
    with Detector(onnx, conf=conf) as detector:
        for place in ("images", "labels"):
            (folder / place).mkdir(parents=True)
        for path in images:
            image = read_image(path)
            scale = max(detector.imgsz) / max(image.shape)  # else ultralytics' val rounds sizes up, other than predict
            size = [round(side * scale) for side in image.shape[1::-1]]
            image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
            cv2.imwrite(str(folder / "images" / f"{path.stem}.png"), image)
            found = detector.detect(image)
            found = found[(rng.random(len(found)) < 0.8).nonzero()[0]]
            width, height = size
            lines = []
            for number in range(len(found)):
                if (values := numbers(found, number, rng)) is None:
                    continue
                shares = np.array(values)
                end = 4 if found.keypoints is not None else len(shares)
                shares[0:end:2] /= width
                shares[1:end:2] /= height
                if found.keypoints is not None:
                    points = shares[4:].reshape(-1, 3)
                    points[:, :2] = (points[:, :2] / (width, height)).clip(0, 1)
                shares[:end] = shares[:end].clip(0, 1)
                lines.append(" ".join([str(int(found.class_id[number])), *(f"{share:.6f}" for share in shares)]))
            (folder / "labels" / f"{path.stem}.txt").write_text("\n".join(lines))
        names = "".join(f"  {i}: '{name}'\n" for i, name in detector.names.items())
        posed = f"kpt_shape: [{len(detector.metadata.keypoints)}, 3]\n" if detector.metadata.keypoints else ""
    (folder / "data.yaml").write_text(f"path: {folder}\nval: images\ntrain: images\n{posed}names:\n{names}")
    return folder / "data.yaml"


def theirs(checkpoint: Path, data: Path, imgsz: int, folder: Path, **options: Any) -> Any:
    from ultralytics import YOLO

    shutil.copytree(data.parent, folder / "theirs")  # ultralytics writes a cache beside the labels
    text = data.read_text().replace(str(data.parent), str(folder / "theirs"))
    (folder / "theirs/data.yaml").write_text(text)
    return YOLO(checkpoint).val(
        data=folder / "theirs/data.yaml", imgsz=imgsz, rect=False, plots=False, workers=0, project=folder,
        verbose=False, batch=1, **options,
    )  # fmt: skip


@pytest.mark.parametrize("family", ["yolov8n-obb", pytest.param("yolo11n-obb", marks=pytest.mark.slow)])
def test_turned_boxes(family: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a random network's crowd pycocotools gives a label to another box: test_matching.py says how close it is."""
    monkeypatch.setattr("yolorknn.measure.val.IOU", 0.3)
    checkpoint = make_checkpoint(f"{family}.yaml", tmp_path, names=NAMES, imgsz=192)
    onnx = export(checkpoint, imgsz=(192, 192))
    data = dataset(tmp_path / "set", onnx, IMAGES, conf=0.5)
    box = theirs(checkpoint, data, 192, tmp_path, iou=0.3).box
    ours = validate(onnx, data, store=tmp_path / "kept")
    assert ours.of == "turned boxes"
    assert 0.02 < ours.map < 0.95 and (ours.map50, ours.map) == pytest.approx((box.map50, box.map), abs=0.02)
    assert validate(onnx, data, store=tmp_path / "kept") == ours, "kept and read back"
    data.write_text(data.read_text() + "kpt_shape: [2, 3]\n")
    with pytest.raises(DatasetError, match="with kpt_shape"):
        validate(onnx, data)
    (data.parent / "labels" / f"{IMAGES[0].stem}.txt").write_text("0 0.5 0.5 0.1 0.1\n")
    data.write_text(data.read_text().replace("kpt_shape: [2, 3]\n", ""))
    with pytest.raises(DatasetError, match="task 'obb', which needs four corners"):
        validate(onnx, data, store=tmp_path / "kept")


@pytest.mark.slow
def test_trained_turned_boxes(tmp_path: Path) -> None:
    """Turned boxes that a trained network finds are apart, so that each label is given to the same one."""
    checkpoint = Path(shutil.copy(ROOT / "models/demo-obb.pt", tmp_path))
    images = list(render_scenes.write(tmp_path / "scenes", count=16, seed=3, task="obb"))
    onnx = export(checkpoint)
    data = dataset(tmp_path / "set", onnx, images, conf=0.3)
    box = theirs(checkpoint, data, 256, tmp_path).box
    ours = validate(onnx, data)
    assert 0.1 < ours.map < 0.98 and (ours.map50, ours.map) == pytest.approx((box.map50, box.map), abs=0.002)


@needs_shared
@pytest.mark.shared
@pytest.mark.slow
@pytest.mark.parametrize("task", ["seg", "pose"])
def test_trained_weights(task: str, tmp_path: Path) -> None:
    images = sorted((SHARED / "coco128/images/train2017").glob("*.jpg"))[::8]
    checkpoint = Path(shutil.copy(SHARED / f"weights/yolov8n-{task}.pt", tmp_path))
    onnx = export(checkpoint)
    data = dataset(tmp_path / "set", onnx, images, conf=0.3)
    options: dict[str, Any] = {"mask_ratio": 1, "overlap_mask": False, "save_txt": True} if task == "seg" else {}
    metrics = theirs(checkpoint, data, 640, tmp_path, **options)
    found = metrics.seg if task == "seg" else metrics.pose
    ours = validate(onnx, data, store=tmp_path / "kept")
    print(task, ours.map50, ours.map, found.map50, found.map)
    assert 0.1 < ours.map < 0.98 and (ours.map50, ours.map) == pytest.approx((found.map50, found.map), abs=0.002)
    assert validate(onnx, data, store=tmp_path / "kept") == ours, "kept and read back"
