"""YOLO-World and YOLOE with their texts set are plain detectors: what they find is what ultralytics finds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import DATASET, needs_ort, needs_torch
from yolorknn import Detections, Detector, ExportError
from yolorknn.convert.export.export import export

NAMES = ("cat", "red ball", "third")
pytestmark = [needs_torch, needs_ort]


def prompted(config: str, *, texts: bool = True) -> Any:
    """ultralytics' model with random weights, whose scores differ, and texts whose embeddings are made up."""
    import torch
    from ultralytics import YOLOE, YOLOWorld

    torch.manual_seed(1)
    world = "world" in config
    yolo = (YOLOWorld if world else YOLOE)(f"{config}.yaml")
    embeddings = torch.nn.functional.normalize(torch.randn(1, len(NAMES), 512), dim=-1)
    if texts and world:
        yolo.model.txt_feats = embeddings
        yolo.model.model[-1].nc = len(NAMES)
        yolo.model.names = dict(enumerate(NAMES))
    elif texts:
        yolo.model.set_classes(list(NAMES), embeddings)
    with torch.no_grad():
        for name, module in yolo.model.named_modules():
            if type(module).__name__ == "BNContrastiveHead":
                module.bias.fill_(-2.0)
                module.logit_scale.fill_(2.0)
                module.norm.weight.uniform_(0.5, 2)
                module.norm.bias.normal_()
            elif isinstance(module, torch.nn.Conv2d) and ".cv3." in name and name.endswith(".2"):
                module.weight.mul_(20)
    yolo.model.eval()
    return yolo


@pytest.mark.parametrize(
    "config",
    [
        "yolov8n-worldv2",
        "yoloe-11n",
        *(
            pytest.param(config, marks=pytest.mark.slow)
            for config in ("yoloe-v8n", "yoloe-v8n-seg", "yoloe-11n-seg", "yoloe-26n", "yoloe-26n-seg")
        ),
    ],
)
def test_it_finds_what_ultralytics_finds(config: str, tmp_path: Path) -> None:
    yolo = prompted(config)
    path = tmp_path / "m.pt"
    yolo.save(path)
    imgsz = 64 if "26" in config else 160
    made = export(path, imgsz=(imgsz, imgsz))
    image = str(DATASET / "images/0003.jpg")
    settings: dict[str, Any] = {"conf": 0.3, "iou": 1.0, "max_det": 10_000}  # no box suppresses one that is as sure
    (theirs,) = yolo.predict(image, imgsz=imgsz, rect=False, verbose=False, nms="26" not in config, **settings)
    with Detector(made, **settings) as detector:
        assert detector.names == dict(enumerate(NAMES))
        found = detector.detect(image)
    assert len(theirs) > 3
    if "26" not in config and "seg" not in config:  # of these ultralytics leaves out some: a top-k, and empty masks
        assert len(found) == len(theirs)
        assert found.confidence == pytest.approx(theirs.boxes.conf.numpy(), abs=2e-3)
    assert_same(found, theirs)


def assert_same(found: Detections, theirs: Any) -> None:
    """Each of theirs is found: of the same class and score, within half a pixel."""
    boxes = theirs.boxes
    apart = np.abs(found.xyxy[:, None] - boxes.xyxy.numpy()[None]).max(axis=2)
    apart[found.class_id[:, None] != boxes.cls.numpy()[None]] = np.inf
    apart[np.abs(found.confidence[:, None] - boxes.conf.numpy()[None]) > 2e-3] = np.inf
    assert apart.min(axis=0).max() < 0.5


def test_without_texts_it_is_refused(tmp_path: Path) -> None:
    yolo = prompted("yoloe-11n", texts=False)
    yolo.save(tmp_path / "m.pt")
    with pytest.raises(ExportError, match=r"finds what a text names.*call set_classes"):
        export(tmp_path / "m.pt")
