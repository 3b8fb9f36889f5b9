"""Classifier: images in, classes out; and that neither class takes the other's models."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.conftest import DEMO_ONNX, needs_ort
from tests.fakes.rknn_files import write_rknn
from yolorknn import Classifier, Detector, ModelError, SimulatedNpu
from yolorknn.measure.bench import bench
from yolorknn.model.metadata import Build, ModelMetadata, Output
from yolorknn.predict.loaded_model import LoadedModel
from yolorknn.stream.tiled import Tiling
from yolorknn.tasks.task import Thresholds

NAMES = tuple(f"n{number}" for number in range(7))
OUTPUTS = (Output("logits", "logits", 0),)
FACTS = ModelMetadata(NAMES, (32, 32), "split", OUTPUTS, task="classify", build=Build("rk3588", "i8", "2.3.2"))


def test_a_classifier_classifies(tmp_path: Path) -> None:
    model = write_rknn(tmp_path / "c.rknn", FACTS)
    image = np.zeros((40, 50, 3), np.uint8)
    with Classifier(model, backends=[SimulatedNpu(FACTS, 0.1)]) as classifier:
        found = classifier.classify(image)
        assert len(found) == 7 and classifier.names[1] == "n1" and classifier.imgsz == (32, 32)
        assert [result.detections for result in classifier.stream([image, image])] == [found, found]
    with pytest.raises(ModelError, match=r"classifies whole images .* use Classifier"):
        Detector(model, backends=[SimulatedNpu(FACTS, 0.1)])


@needs_ort
def test_a_classifier_has_no_tiles(tmp_path: Path) -> None:
    model = write_rknn(tmp_path / "m.rknn", FACTS)
    with pytest.raises(ModelError, match=r"classifies whole images: tiles are for models that find objects in them"):
        LoadedModel(model, thresholds=Thresholds(), backends=[SimulatedNpu(FACTS, 0.1)], tiling=Tiling())
    with pytest.raises(ModelError, match=r"classifies whole images: tiles are for models that find objects in them"):
        bench(model, npu_ms=1, tiling=Tiling())


def test_a_detector_is_no_classifier() -> None:
    with pytest.raises(ModelError, match=r"finds objects .* use Detector"):
        Classifier(DEMO_ONNX)
