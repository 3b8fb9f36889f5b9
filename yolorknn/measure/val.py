"""val: mAP of a model on labelled images, with the settings of ultralytics' val."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from yolorknn.data.dataset import Dataset, Labelled
from yolorknn.data.labels import label_file
from yolorknn.errors import DatasetError, ModelError, SourceError
from yolorknn.files import sha256
from yolorknn.image import height_and_width
from yolorknn.measure.annotations import CALLED, kind_of, of_found, of_labels, unfit, usual_sigmas
from yolorknn.measure.average_precision import precision_of
from yolorknn.measure.finding import Finding, finding, found_by
from yolorknn.measure.predictions import Prediction, Predictions
from yolorknn.measure.spread import Spread
from yolorknn.measure.val_key import key_of, unchanged
from yolorknn.measure.val_report import ValReport
from yolorknn.measure.val_size import names_of, size_of
from yolorknn.model.anchor_sizes import given_anchors
from yolorknn.model.class_names import given_names
from yolorknn.model.metadata import ModelMetadata
from yolorknn.predict.detector import Detector
from yolorknn.predict.open_model import HERE, Place, read_metadata
from yolorknn.progress import Progress
from yolorknn.runtime.cores import Runtime
from yolorknn.stream.result import Result
from yolorknn.tasks.detections import Detections
from yolorknn.text import reason_of

_logger = logging.getLogger(__name__)

CONF, IOU, MAX_DET = 0.001, 0.7, 300
"""Of ultralytics' val; with them a box is kept for each class above CONF."""
CONFS = {"obb": 0.01}
"""By task, where it is another."""


def validate(
    model: str | Path,
    data: str | Path,
    *,
    images: Sequence[str | Path] | None = None,
    place: Place = HERE,
    names: Sequence[str] | Mapping[int, str] | None = None,
    anchors: str | Path | Sequence[float] | None = None,
    store: Path | None = None,
    progress: Progress | None = None,
    trust: bool = False,
    runtime: Runtime = "auto",
    imgsz: int | tuple[int, int] | None = None,
    spread: Spread | None = None,
) -> ValReport:
    """Measure a model on the `val` images of a data.yaml.

    Args:
        model: a .pt (exported in float, run by onnxruntime), an .onnx, or a .rknn (on a board, or with simulate).
        data: the data.yaml.
        images: measure on these instead; their labels are found as those of the data.yaml.
        place: run the model on the vendor's simulator, or on a board attached to this PC.
        names: class names, for a model without metadata.
        anchors: sizes of anchor boxes, for a model of YOLOv5 or YOLOv7 that does not say them; see Detector.
        store: folder to keep predictions in, so that an interrupted run goes on where it was; not
            for a board attached to this PC, of whose software nothing is known here.
        progress: told how far it is.
        trust: of a .pt; see export().
        runtime: of a .rknn on a board; see Detector.
        imgsz: side, or height and width, of the input; default is the model's own, of a .pt the one that it was trained
            at.
        spread: divide the images among its workers; what is measured is the same.

    Raises:
        DatasetError: the data.yaml, an image or a label cannot be used, or the classes are not the model's.
        ModelError: the model is absent, broken, or not for this machine; or its size is fixed, and another.
        InferenceError: the runtime failed.
        OutputError: the predictions cannot be stored.
        MissingDependencyError: pycocotools, PyYAML or the model's runtime is not installed.
    """
    path = Path(model)
    labelled = Dataset.open(Path(data)).labelled(images)
    own, sizes = given_names(names), given_anchors(anchors)
    asked = None if imgsz is None else height_and_width(imgsz)
    size = size_of(path, names=own, anchors=sizes) if asked is None or path.suffix.lower() != ".pt" else asked
    if asked is not None and size != asked:
        raise ModelError(
            f"{path} is made for {size[1]}x{size[0]}, and cannot be measured at {asked[1]}x{asked[0]}: give a .pt, or "
            "export it at that size"
        )

    told = {"names": own, "anchors": sizes}
    opening = partial(finding, path, labelled, measuring, _kept, place=place, told=told, runtime=runtime, trust=trust)
    begun = partial(opening, imgsz=size, spread=spread, progress=progress)
    kept = None
    if store is not None and not place.remote:
        read = "" if path.suffix.lower() == ".pt" else repr(read_metadata(path, names=own, anchors=sizes))
        # of what stands beside the file, too
        key = (*key_of(path, place, own, runtime), CONF, IOU, MAX_DET, sizes, read, size, _marked(labelled))
        kept = Predictions(store, name=path.stem, key=key)
        begun = partial(unchanged, begun, path, str(key[0]))
    found = _detect(labelled, begun, kept, _telling(path, progress), lambda: names_of(path, names=own, anchors=sizes))
    return _report(path, labelled, found, size)


def validate_detector(detector: Detector, model: Path, labelled: Labelled, progress: Progress | None) -> ValReport:
    """Measure a detector that is open, made with measuring(); see validate().

    Args:
        detector: it stays open.
        model: what the report and the progress call it.
        labelled: what to measure on.
        progress: told how far it is.
    """
    opened = Finding(detector.metadata, partial(found_by, detector, _kept))
    found = _detect(labelled, lambda: nullcontext(opened), None, _telling(model, progress))
    return _report(model, labelled, found, detector.imgsz)


def _telling(model: Path, progress: Progress | None) -> Callable[[float], None]:
    return partial(progress, model.name) if progress else lambda _: None


def _report(model: Path, labelled: Labelled, found: Sequence[Prediction], imgsz: tuple[int, int]) -> ValReport:
    kind = kind_of(found)
    sigmas = labelled.sigmas or usual_sigmas(labelled.labels)
    annotated = [of_found(some, kind) for some in found]
    truth = [of_labels(some, image.size, kind) for some, image in zip(labelled.labels, annotated, strict=True)]
    per_class = precision_of(annotated, truth, kind=kind, names=labelled.names, max_det=MAX_DET, sigmas=sigmas)
    present = {entry.class_id for entry in per_class}
    return ValReport(
        str(model),
        map50=float(np.mean([entry.map50 for entry in per_class])),
        map=float(np.mean([entry.map for entry in per_class])),
        coco_map50=float(np.mean([entry.coco_map50 for entry in per_class])),
        coco_map=float(np.mean([entry.coco_map for entry in per_class])),
        per_class=per_class,
        absent=tuple(name for number, name in enumerate(labelled.names) if number not in present),
        images=len(labelled.images),
        unlabelled=sum(rows is None for rows in labelled.labels),
        imgsz=imgsz,
        of=CALLED[kind],
    )


def measuring(model: str | Path, **options: Any) -> Detector:
    """Return a Detector with the settings of ultralytics' val; `options` are Detector's."""
    detector = Detector(model, conf=CONF, iou=IOU, max_det=MAX_DET, multi_label=True, **options)
    detector.conf = CONFS.get(detector.metadata.task, CONF)
    return detector


def _kept(result: Result[Detections]) -> Prediction:
    return Prediction.of(result.detections, (result.frame.shape[0], result.frame.shape[1]))


def _marked(labelled: Labelled) -> list[object]:
    """Return what _check_data() looks at, so that it is done again where other labels are given for the same images."""
    kinds = {
        (
            some.keypoints.shape[1],
            *sorted({len(outline) == 4 if outline is not None else -1 for outline in some.outlines}),
        )
        for some in labelled.labels
        if some is not None
    }
    return [len(labelled.names), sorted(kinds)]


def _detect(
    labelled: Labelled,
    opening: Callable[[], AbstractContextManager[Finding[Prediction]]],
    kept: Predictions | None,
    told: Callable[[float], None],
    names: Callable[[], Sequence[str]] = tuple,
) -> list[Prediction]:
    """Return what is found in each image.

    Args:
        labelled: the images.
        opening: opens the model, where one is not kept.
        kept: from earlier runs.
        told: how far it is.
        names: gives the model's classes where it need not be opened.
    """
    images = labelled.images
    told(0.0)
    digests = {image: _digest(image) for image in images} if kept else {}
    known = {image: entry for image in digests if kept and (entry := kept.get(digests[image])) is not None}
    todo = [image for image in dict.fromkeys(images) if image not in known]
    if todo:
        with ExitStack() as stack:
            opened = stack.enter_context(opening())
            _check_data(opened.metadata, labelled)
            file = stack.enter_context(kept.adding()) if kept else None
            for number, found in opened.finds(todo):
                image = todo[number]
                known[image] = found
                if kept and file:
                    kept.add(file, digests[image], found)
                told(len(known) / len(images))
    else:
        _tell_names(names(), labelled)
    return [known[image] for image in images]


def _check_data(metadata: ModelMetadata, labelled: Labelled) -> None:
    """Refuse labels that are not of the model's classes, or of another task."""
    theirs = "give the data.yaml that it was trained with"
    if len(metadata.names) != len(labelled.names):
        raise DatasetError(
            f"{labelled.file} has {len(labelled.names)} classes, the model {len(metadata.names)}: {theirs}"
        )
    _tell_names(metadata.names, labelled)
    for image, labels in zip(labelled.images, labelled.labels, strict=True):
        if labels is not None and (why := unfit(labels, metadata)):
            raise DatasetError(f"{label_file(image)} is not of the model's task '{metadata.task}', {why}: {theirs}")


def _tell_names(names: Sequence[str], labelled: Labelled) -> None:
    """Warn of classes that may be in another order, as they are counted by number."""
    for number, (name, other) in enumerate(zip(names, labelled.names, strict=False)):
        if name != other:
            _logger.warning("class %d is '%s' in the model and '%s' in %s", number, name, other, labelled.file)
            break


def _digest(image: Path) -> str:
    try:
        return sha256(image)
    except OSError as exc:
        raise SourceError(f"cannot read the image {image}: {reason_of(exc)}") from exc
