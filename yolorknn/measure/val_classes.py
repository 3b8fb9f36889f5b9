"""val of classifiers: how often the right class is the first, or among the first five."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from yolorknn.data.class_folder import ClassFolder
from yolorknn.errors import DatasetError
from yolorknn.measure.finding import Finding, finding, found_by
from yolorknn.measure.spread import Spread
from yolorknn.predict.classifier import Classifier
from yolorknn.predict.open_model import HERE, Place
from yolorknn.progress import Progress
from yolorknn.runtime.cores import Runtime
from yolorknn.stream.result import Result
from yolorknn.tasks.classification import Classification
from yolorknn.text import printable

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class TopReport:
    """What a classifier measured.

    Attributes:
        model: the model, as it was named.
        top1: share of the images whose class is the most probable one.
        top5: share of the images whose class is among the five most probable ones.
        images: number of images.
    """

    model: str
    top1: float
    top5: float
    images: int

    def to_json(self) -> dict[str, Any]:
        """Return the report as plain JSON values."""
        return asdict(self)


def validate_classes(
    model: str | Path,
    data: str | Path,
    *,
    place: Place = HERE,
    names: Sequence[str] | None = None,
    progress: Progress | None = None,
    trust: bool = False,
    runtime: Runtime = "auto",
    spread: Spread | None = None,
) -> TopReport:
    """Measure a classifier on the `val` images of a folder with a folder for each class.

    Args:
        model: a .pt (exported in float, run by onnxruntime), an .onnx, or a .rknn (on a board, or with simulate).
        data: the folder.
        place: run the model on the vendor's simulator, or on a board attached to this PC.
        names: class names, for a model without metadata.
        progress: told how far it is.
        trust: of a .pt; see export().
        runtime: of a .rknn on a board; see Detector.
        spread: divide the images among its workers; what is measured is the same.

    Raises:
        DatasetError: the folder or an image cannot be used, the classes are not the model's, or it is no classifier.
        ModelError: the model is absent, broken, or not for this machine.
        InferenceError: the runtime failed.
        MissingDependencyError: the model's runtime is not installed.
    """
    path, listed = Path(model), ClassFolder.open(Path(data))
    opening = partial(finding, path, listed, Classifier, _kept, place=place, told={"names": names}, runtime=runtime)
    with opening(trust=trust, spread=spread, progress=progress) as opened:
        return _measured(opened, path, listed, progress)


def validate_classifier(
    classifier: Classifier, model: Path, listed: ClassFolder, progress: Progress | None
) -> TopReport:
    """Measure a classifier that is open; see validate_classes().

    Args:
        classifier: it stays open.
        model: what the report and the progress call it.
        listed: what to measure on.
        progress: told how far it is.
    """
    opened = Finding(classifier.metadata, partial(found_by, classifier, _kept))
    return _measured(opened, model, listed, progress)


def _kept(result: Result[Classification]) -> NDArray[np.int64]:
    return result.detections.class_id


def _measured(
    opened: Finding[NDArray[np.int64]], model: Path, listed: ClassFolder, progress: Progress | None
) -> TopReport:
    if len(opened.metadata.names) != len(listed.names):
        raise DatasetError(
            f"{listed.folder} has {len(listed.names)} classes, the model {len(opened.metadata.names)}: "
            "give the folder that it was trained with"
        )
    for number, (name, other) in enumerate(zip(opened.metadata.names, listed.names, strict=True)):
        if name != other:
            _logger.warning("class %d is '%s' in the model and '%s' in %s", number, name, other, listed.folder)
            break
    places: list[int] = []
    for number, class_ids in opened.finds(listed.images):
        places.append(int((class_ids == listed.class_ids[number]).argmax()))
        if progress:
            progress(model.name, len(places) / len(listed.images))
    ranks = np.array(places)
    return TopReport(str(model), float((ranks < 1).mean()), float((ranks < 5).mean()), len(ranks))


def top_table(reports: Sequence[TopReport]) -> str:
    """Return reports one below the other, with the difference to the first model."""
    first = reports[0]
    lines = [f"{first.images} images" + ("; +/-: difference to 1" if len(reports) > 1 else "")]
    for number, report in enumerate(reports, 1):
        cells = f"top-1 {report.top1:.4f}  top-5 {report.top5:.4f}"
        if number > 1:
            cells = (
                f"top-1 {report.top1:.4f}{report.top1 - first.top1:+.4f}  "
                f"top-5 {report.top5:.4f}{report.top5 - first.top5:+.4f}"
            )
        lines.append(f"{number}: {printable(report.model)}  {cells}")
    return "\n".join(lines)
