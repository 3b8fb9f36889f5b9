"""Ultralytics YOLO detectors on Rockchip NPUs.

from yolorknn import Detector

with Detector("v8n-rk3588-i8.rknn") as detector:   # an .onnx on a PC, a .rknn on the board
    detections = detector.detect("bus.jpg")
    print(detections.xyxy, detections.confidence, detections.class_id)
"""

import os
import sys

if sys.argv[:1] == ["-m"] and any(word.endswith("yolorknn") for word in sys.orig_argv):
    # `python -m yolorknn` puts the current folder first, where a json.py or cv2.py would be taken for the package.
    sys.path[:1] = [] if sys.path[0] in ("", os.getcwd()) else sys.path[:1]
del os, sys

from importlib import import_module  # noqa: E402
from typing import TYPE_CHECKING, Any  # noqa: E402

if TYPE_CHECKING:
    from yolorknn.convert.build import build
    from yolorknn.convert.export.export import export
    from yolorknn.convert.recipe.build_options import BuildOptions
    from yolorknn.errors import (
        AccuracyError,
        BackendError,
        BuildError,
        CalibrationError,
        ConversionError,
        CoreDeadError,
        CoreHungError,
        DatasetError,
        DeployError,
        ExportError,
        InferenceError,
        MetadataError,
        MissingDependencyError,
        ModelError,
        OutputError,
        SourceError,
        YolorknnError,
    )
    from yolorknn.measure.simulated_npu import SimulatedNpu
    from yolorknn.measure.val import validate
    from yolorknn.measure.val_report import ValReport
    from yolorknn.model.metadata import ModelMetadata
    from yolorknn.predict.classifier import Classifier
    from yolorknn.predict.detector import Detector
    from yolorknn.predict.open_model import Place
    from yolorknn.runtime.backend import Backend
    from yolorknn.stream.result import Result, Timings
    from yolorknn.stream.stream import Stream
    from yolorknn.tasks.classification import Classification
    from yolorknn.tasks.detections import Detections
    from yolorknn.tasks.draw import draw

__version__ = "0.2.0.dev0"

__all__ = [
    "AccuracyError",
    "Backend",
    "BackendError",
    "BuildError",
    "BuildOptions",
    "CalibrationError",
    "Classification",
    "Classifier",
    "ConversionError",
    "CoreDeadError",
    "CoreHungError",
    "DatasetError",
    "DeployError",
    "Detections",
    "Detector",
    "ExportError",
    "InferenceError",
    "MetadataError",
    "MissingDependencyError",
    "ModelError",
    "ModelMetadata",
    "OutputError",
    "Place",
    "Result",
    "SimulatedNpu",
    "SourceError",
    "Stream",
    "Timings",
    "ValReport",
    "YolorknnError",
    "__version__",
    "build",
    "draw",
    "export",
    "validate",
]

_HOMES = {
    "BuildOptions": "convert.recipe.build_options",
    "Place": "predict.open_model",
    "SimulatedNpu": "measure.simulated_npu",
    "ValReport": "measure.val_report",
    "build": "convert.build",
    "export": "convert.export.export",
    "validate": "measure.val",
    "Backend": "runtime.backend",
    "Classification": "tasks.classification",
    "Classifier": "predict.classifier",
    "Detections": "tasks.detections",
    "Detector": "predict.detector",
    "ModelMetadata": "model.metadata",
    "Result": "stream.result",
    "Stream": "stream.stream",
    "Timings": "stream.result",
    "draw": "tasks.draw",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that `yolorknn --help` need not load OpenCV."""
    if name not in __all__:
        raise AttributeError(f"module 'yolorknn' has no attribute '{name}'")
    value = getattr(import_module(f"yolorknn.{_HOMES.get(name, 'errors')}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
