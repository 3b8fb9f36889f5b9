"""val of classifiers against ultralytics' own."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from tests.conftest import DATASET, DEMO_ONNX, needs_ort, needs_torch
from tests.fakes.families import make_checkpoint
from yolorknn import Classifier, DatasetError, export
from yolorknn.cli.app import app
from yolorknn.image import read_image
from yolorknn.measure.val_classes import validate_classes

pytestmark = [needs_torch, needs_ort]

NAMES = tuple("abcdefg")
SIDE = 96


def test_top_1_and_top_5_are_ultralytics(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """On images that need no resizing, as PIL's is another; classes are what the model says third, second or first."""
    from ultralytics import YOLO

    checkpoint = make_checkpoint("yolov8n-cls.yaml", tmp_path, names=NAMES, imgsz=SIDE)
    onnx = export(checkpoint, imgsz=(SIDE, SIDE))
    rng = np.random.default_rng(0)
    folder = tmp_path / "set"
    for split in ("train", "val"):
        for name in NAMES:
            (folder / split / name).mkdir(parents=True)
    with Classifier(onnx) as classifier:
        for number, path in enumerate(sorted((DATASET / "images").glob("*.jpg"))[:30]):
            image = cv2.resize(read_image(path), (SIDE, SIDE + number), interpolation=cv2.INTER_AREA)
            said = classifier.classify(np.asarray(image, np.uint8)).class_id[rng.choice([0, 1, 2, 5])]
            for split in ("train", "val"):
                cv2.imwrite(str(folder / split / NAMES[said] / f"{number}.png"), image)
    copied = shutil.copytree(folder, tmp_path / "theirs")
    theirs = YOLO(checkpoint).val(data=copied, imgsz=SIDE, workers=0, project=tmp_path, plots=False, verbose=False)
    ours = validate_classes(onnx, folder)
    assert (ours.top1, ours.top5) == pytest.approx((theirs.top1, theirs.top5), abs=0.002) and 0.1 < ours.top1 < 0.9
    shown = CliRunner().invoke(app, ["val", str(onnx), str(onnx), "--data", str(folder)])
    assert shown.exit_code == 0, shown.output
    assert shown.stdout.splitlines()[0] == "30 images; +/-: difference to 1" and shown.stdout.count("+0.0000") == 2
    (row,) = json.loads(CliRunner().invoke(app, ["val", str(onnx), "--data", str(folder), "--json"]).stdout)
    assert row == ours.to_json()
    assert not [record for record in caplog.records if record.name.startswith("yolorknn")]
    (folder / "val" / "a").rename(folder / "val" / "h")
    assert validate_classes(onnx, folder).top1 < ours.top1
    assert f"class 0 is 'a' in the model and 'b' in {folder}" in caplog.text
    shutil.rmtree(folder / "val" / "g")
    with pytest.raises(DatasetError, match="has 6 classes, the model 7"):
        validate_classes(onnx, folder)


def test_what_is_no_such_folder_or_model(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="has a folder val or validation or valid or test, which this has not"):
        validate_classes(DEMO_ONNX, tmp_path)
    (tmp_path / "val" / "a").mkdir(parents=True)
    with pytest.raises(DatasetError, match="has no images"):
        validate_classes(DEMO_ONNX, tmp_path)
    shutil.copy(next((DATASET / "images").glob("*.jpg")), tmp_path / "val" / "a")
    with pytest.raises(DatasetError, match=r"finds objects, and .* is a folder of classified images"):
        validate_classes(DEMO_ONNX, tmp_path)
