"""val of classifiers: how often the right class is the first, or among the first five."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from yolorknn.convert.export.export import export
from yolorknn.data.class_folder import ClassFolder
from yolorknn.errors import DatasetError, InferenceError
from yolorknn.image import read_image
from yolorknn.predict.classifier import Classifier
from yolorknn.predict.open_model import HERE, Place, open_model
from yolorknn.progress import Progress
from yolorknn.runtime.cores import Runtime
from yolorknn.scratch import temporary_folder
from yolorknn.text import printable


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

    Raises:
        DatasetError: the folder or an image cannot be used, or the classes are not the model's.
        ModelError: the model is absent, broken, not for this machine, or no classifier.
        InferenceError: the runtime failed.
        MissingDependencyError: the model's runtime is not installed.
    """
    path, listed = Path(model), ClassFolder.open(Path(data))
    name = path.name
    with ExitStack() as stack:
        if path.suffix.lower() == ".pt":
            path = export(path, output=stack.enter_context(temporary_folder("val")), trust=trust)
        backends = None if place == HERE else open_model(path, place, names=names, progress=progress)[1]
        classifier = stack.enter_context(Classifier(path, names=names, backends=backends, runtime=runtime))
        if len(classifier.names) != len(listed.names):
            raise DatasetError(
                f"{listed.folder} has {len(listed.names)} classes, the model {len(classifier.names)}: "
                "give the folder that it was trained with"
            )
        places = []
        stream = stack.enter_context(classifier.stream(map(read_image, listed.images), drop="none"))
        for result in stream:
            right = result.detections.class_id == listed.class_ids[result.index]
            places.append(int(right.argmax()))
            if progress:
                progress(name, len(places) / len(listed.images))
        if stream.lost:
            raise InferenceError(f"the NPU did not answer {stream.lost} of {len(listed.images)} images: run it again")
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
