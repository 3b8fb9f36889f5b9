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

from typing import TYPE_CHECKING  # noqa: E402

from yolorknn.lazy import lazily  # noqa: E402

if TYPE_CHECKING:
    from yolorknn.convert.build import build
    from yolorknn.convert.export.export import export
    from yolorknn.convert.export.module import export_module
    from yolorknn.convert.recipe.build_options import BuildOptions
    from yolorknn.errors import (
        AccuracyError,
        BackendError,
        BoardAwayError,
        BuildError,
        CalibrationError,
        ConversionError,
        CoreDeadError,
        CoreHungError,
        DatasetError,
        DeployError,
        ExportError,
        InferenceError,
        InputError,
        MetadataError,
        MissingDependencyError,
        ModelError,
        OutputError,
        RestartsError,
        SiteError,
        SourceError,
        YolorknnError,
    )
    from yolorknn.measure.simulated_npu import SimulatedNpu
    from yolorknn.measure.val import validate
    from yolorknn.measure.val_report import ValReport
    from yolorknn.model.metadata import ModelMetadata, Tensor
    from yolorknn.predict.classifier import Classifier
    from yolorknn.predict.detector import Detector
    from yolorknn.predict.open_model import Place
    from yolorknn.predict.runner import Runner
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
    "BoardAwayError",
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
    "InputError",
    "MetadataError",
    "MissingDependencyError",
    "ModelError",
    "ModelMetadata",
    "OutputError",
    "Place",
    "RestartsError",
    "Result",
    "Runner",
    "SimulatedNpu",
    "SiteError",
    "SourceError",
    "Stream",
    "Tensor",
    "Timings",
    "ValReport",
    "YolorknnError",
    "__version__",
    "build",
    "draw",
    "export",
    "export_module",
    "validate",
]

_HOMES = {
    "BuildOptions": "convert.recipe.build_options",
    "Place": "predict.open_model",
    "SimulatedNpu": "measure.simulated_npu",
    "ValReport": "measure.val_report",
    "build": "convert.build",
    "export": "convert.export.export",
    "export_module": "convert.export.module",
    "validate": "measure.val",
    "Backend": "runtime.backend",
    "Classification": "tasks.classification",
    "Classifier": "predict.classifier",
    "Detections": "tasks.detections",
    "Detector": "predict.detector",
    "ModelMetadata": "model.metadata",
    "Result": "stream.result",
    "Runner": "predict.runner",
    "Stream": "stream.stream",
    "Tensor": "model.metadata",
    "Timings": "stream.result",
    "draw": "tasks.draw",
}
__getattr__ = lazily(__name__, {name: _HOMES.get(name, "errors") for name in __all__})


def __dir__() -> list[str]:
    return __all__
