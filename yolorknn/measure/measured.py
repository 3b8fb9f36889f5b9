"""One number for a model, whatever its task: mAP50-95 of objects, top-1 of classes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from yolorknn.data.class_folder import ClassFolder
from yolorknn.measure.truth import Truth
from yolorknn.measure.val import measuring, validate_detector
from yolorknn.measure.val_classes import validate_classifier
from yolorknn.predict.classifier import Classifier
from yolorknn.progress import Progress
from yolorknn.runtime.backend import Backend


def measured(
    model: Path,
    truth: Truth,
    told: dict[str, Any],
    *,
    backends: Sequence[Backend] | None = None,
    progress: Progress | None = None,
) -> float:
    """Return the measure of a model, 0 to 1.

    Args:
        model: an .onnx, or what it was made of.
        truth: what to measure on.
        told: the names and anchors that the model does not say.
        backends: what runs it; closed then. Default is onnxruntime.
        progress: told how far it is.
    """
    if isinstance(truth, ClassFolder):
        with Classifier(model, names=told.get("names"), backends=backends) as classifier:
            return validate_classifier(classifier, model, truth, progress).top1
    with measuring(model, backends=backends, **told) as detector:
        return validate_detector(detector, model, truth, progress).map
