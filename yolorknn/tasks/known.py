"""The tasks that yolorknn knows, and what a model file says in their terms."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from yolorknn.errors import MetadataError, YolorknnError
from yolorknn.model.anchor_sizes import AnchorSizes, file_beside, read_anchors, smaller_than_a_cell
from yolorknn.model.evidence import Evidence
from yolorknn.model.metadata import ModelMetadata, Tensor
from yolorknn.model.read import ModelFile, read_file
from yolorknn.model.rknn_file import RknnFile
from yolorknn.progress import tell_once
from yolorknn.tasks.classify import Classify
from yolorknn.tasks.detect import Detect
from yolorknn.tasks.obb import Obb
from yolorknn.tasks.other_layouts import EXPORT, GENERIC, name_layout
from yolorknn.tasks.pose import Pose
from yolorknn.tasks.segment import Segment
from yolorknn.tasks.task import Layout, Task

_EVERY: tuple[Task[Any], ...] = (Detect(), Segment(), Pose(), Obb(), Classify())
TASKS = {task.name: task for task in _EVERY}
"""By name; to recognise an unlabelled model they are asked in this order."""


MOST_CLASSES = 100_000
"""Of a model that does not name them."""
WHOLE = ("uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64")
"""The types of inputs in which pixels can be from 0 to 255 only."""


def task_of(metadata: ModelMetadata) -> Task[Any]:
    """Return the task of a model.

    Raises:
        MetadataError: this version does not know it.
    """
    try:
        return TASKS[metadata.task]
    except KeyError:
        known = ", ".join(TASKS)
        raise MetadataError(
            f"the model's metadata cannot be used: task '{metadata.task}' is not one of {known}: update yolorknn"
        ) from None


def showing(found: object) -> Task[Any]:
    """Return the task whose results these are: the last one that knows them."""
    return [task for task in TASKS.values() if task.holds(found)][-1]


@contextmanager
def _understood() -> Iterator[None]:
    """Turn what roles and strides of another task, or of none, do to one into a MetadataError."""
    try:
        yield
    except (ArithmeticError, LookupError, TypeError, ValueError) as exc:
        raise MetadataError(f"the model's metadata cannot be used: its outputs are of another task ({exc})") from exc


def output_shapes(metadata: ModelMetadata) -> dict[str, tuple[int, ...]]:
    """Return the shape of each output by name, as the metadata implies it."""
    task = task_of(metadata)
    with _understood():
        return task.shapes(metadata)


def check_outputs_of(metadata: ModelMetadata, outputs: Sequence[Tensor], *, where: str) -> None:
    """Compare metadata with the outputs that the file itself states.

    Raises:
        MetadataError: names, order or shapes differ.
    """
    task = task_of(metadata)
    with _understood():
        fits = task.fits(metadata, outputs)
    if not fits:
        stated = {tensor.name: tensor.shape for tensor in outputs}
        raise MetadataError(
            f"{where} contradicts its own metadata: outputs {stated}, expected {output_shapes(metadata)}; "
            "export it again"
        )


def metadata_of(
    file: ModelFile, *, names: Sequence[str] | None = None, anchors: AnchorSizes | None = None
) -> ModelMetadata:
    """Return the metadata inside or beside a file, or what its tensors imply.

    Args:
        file: what was read of it.
        names: class names, for a file without metadata.
        anchors: sizes of anchor boxes, for a file that has such and no metadata; see model.anchor_sizes.

    Raises:
        ModelError: a shape is dynamic, or what stands beside the file as sizes of anchor boxes are none.
        MetadataError: unreadable, or it contradicts the tensors.
    """
    metadata = file.embedded()
    if metadata is None:
        evidence = file.evidence().anchored(anchors)
        beside = None if evidence.anchors else file_beside(file.path)
        evidence = evidence.anchored(read_anchors(beside)) if beside else evidence
        metadata = recognise(file.inputs, file.outputs, evidence, names=names, where=str(file.path))
        if beside and metadata.anchors:
            tell_once(f"{file.path} does not say the sizes of its anchor boxes: they are taken from {beside}")
        if anchors and not metadata.anchors:
            raise MetadataError(f"{file.path} has no outputs of anchor boxes: leave out --anchors")
        if odd := smaller_than_a_cell(metadata.anchors, [output.stride for output in metadata.outputs]):
            tell_once(f"{file.path}: {odd}")
        return metadata
    check_outputs_of(metadata, file.outputs, where=str(file.path))
    if anchors and not metadata.anchors:  # no error: another of the models that val compares may have asked for them
        tell_once(f"{file.path} has no outputs of anchor boxes: --anchors is not used for it")
    if names is not None and tuple(names) != tuple(metadata.names):
        tell_once(f"{file.path} has names of its own for its classes: --names is not used for it")
    return metadata


def why_no_detector(path: Path) -> str | None:
    """Return why a model is to be taken as it is, as no detector; "" if it was built so; None of a detector.

    None also of a file that cannot be read, which shows when it is used.
    """
    if path.suffix.lower() not in (".onnx", ".rknn"):
        return ""
    try:
        file = read_file(path)
        if isinstance(file, RknnFile) and file.generic:
            return ""
        metadata_of(file)
    except MetadataError as exc:
        return str(exc)
    except YolorknnError:
        return None
    return None


def _std(layout: Layout, image: Tensor, evidence: Evidence, where: str) -> float:
    """Return by what pixels are divided for a network: by nothing where it does so itself, or takes whole numbers.

    Raises:
        MetadataError: its graph does more to them than that.
    """
    if layout.std == 1 or evidence.nodes is None:
        return layout.std
    white = evidence.white(image.name)
    if isinstance(white, str) or image.dtype == "int8":
        why = f"computes with its pixels first ({white})" if isinstance(white, str) else "takes pixels as int8"
        raise MetadataError(
            f"{where} {why}, so that it is not known which pixels it wants: export it without that, or {GENERIC}"
        )
    return layout.std / white if image.dtype not in WHOLE else 1.0


def recognise(
    inputs: Sequence[Tensor],
    outputs: Sequence[Tensor],
    evidence: Evidence,
    *,
    names: Sequence[str] | None = None,
    where: str,
) -> ModelMetadata:
    """Return the metadata that an unlabelled model's tensors prove.

    Args:
        inputs: exactly one, (1, 3, h, w), or (1, 1, h, w) of grey pictures.
        outputs: in the file's order.
        evidence: what else the file shows.
        names: class names; without them and without ultralytics' the classes are called "class0", "class1", ...
        where: the file, for the error.

    Raises:
        MetadataError: no task knows such outputs, or it could be another's, or the names do not fit it.
    """
    named = None
    if len(inputs) == 1 and len(inputs[0].shape) == 4 and inputs[0].shape[:2] in ((1, 3), (1, 1)):
        imgsz = (inputs[0].shape[2], inputs[0].shape[3])
        given = evidence.class_names() if names is None else names
        told = evidence.naming(None if given is None else len(given))
        for task in TASKS.values():
            if evidence.task not in (None, task.name):
                continue
            with _understood():
                layout = task.recognise(imgsz, outputs, told) or task.recognise(imgsz, outputs, evidence)
            if layout is None or layout.classes + layout.keypoints > MOST_CLASSES:
                continue
            if given is not None and len(given) != layout.classes:
                raise MetadataError(f"{where} has {layout.classes} classes, but {len(given)} names were given")
            return ModelMetadata(
                names=tuple(given) if given is not None else tuple(f"class{i}" for i in range(layout.classes)),
                imgsz=imgsz,
                head=layout.head,
                outputs=layout.outputs,
                reg_max=layout.reg_max,
                normalized=layout.normalized,
                anchors=layout.anchors,
                colour=layout.colour if inputs[0].shape[1] == 3 else "GRAY",
                std=(_std(layout, inputs[0], evidence, where),) * 3,
                prototypes=layout.prototypes,
                keypoints=tuple(f"keypoint{i}" for i in range(layout.keypoints)),
                task=task.name,
            )
        named = name_layout(imgsz, outputs, told)
    if named is not None:
        raise MetadataError(f"{where} {named}")
    stated = ", ".join(f"{tensor.name} {tensor.shape}" for tensor in [*inputs, *outputs])
    raise MetadataError(
        f"{where} is not a model that yolorknn knows ({stated}): {EXPORT}, or {GENERIC} for programs of your own"
    )
