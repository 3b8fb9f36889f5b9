"""Recognise a detection head from nothing but its tensors: models that yolorknn did not make."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence

from yolorknn.errors import MetadataError
from yolorknn.model.metadata import ModelMetadata, Output, Tensor

STRIDES = ((8, 16, 32), (4, 8, 16, 32), (8, 16, 32, 64), (16, 32))
"""Strides of YOLO detection heads: the usual, P2, P6, and v3-tiny."""


def recognise(
    inputs: Sequence[Tensor],
    outputs: Sequence[Tensor],
    *,
    names: Sequence[str] | None = None,
    where: str,
) -> ModelMetadata:
    """Return the metadata that an unlabelled model's tensors imply.

    Known are the model zoo's head (box, cls and perhaps a score sum per stride) and ultralytics' own (1, 4+nc, anchors)
    with coordinates in pixels.

    Args:
        inputs: exactly one, (1, 3, h, w).
        outputs: in the file's order.
        names: class names; without them the classes are called "class0", "class1", ...
        where: the file, for the error.

    Raises:
        MetadataError: not such a head, or the names do not fit it.
    """
    stated = ", ".join(f"{tensor.name} {tensor.shape}" for tensor in [*inputs, *outputs])
    unknown = MetadataError(
        f"{where} is not a detector that yolorknn knows ({stated}): export the .pt with 'yolorknn export'"
    )
    if len(inputs) != 1 or len(inputs[0].shape) != 4 or inputs[0].shape[:2] != (1, 3):
        raise unknown
    imgsz = (inputs[0].shape[2], inputs[0].shape[3])
    split = all(len(tensor.shape) == 4 for tensor in outputs)
    found = _split(outputs, imgsz) if split else _decoded(outputs, imgsz)
    if found is None:
        raise unknown
    roles, reg_max, classes = found
    if names is not None and len(names) != classes:
        raise MetadataError(f"{where} has {classes} classes, but {len(names)} names were given")
    return ModelMetadata(
        names=tuple(names) if names is not None else tuple(f"class{i}" for i in range(classes)),
        imgsz=imgsz,
        head="decoded" if roles[0].role == "decoded" else "split",
        outputs=roles,
        reg_max=reg_max,
    )


Found = tuple[tuple[Output, ...], int, int]


def _split(outputs: Sequence[Tensor], imgsz: tuple[int, int]) -> Found | None:
    groups: dict[tuple[int, ...], list[Tensor]] = {}
    for tensor in outputs:
        groups.setdefault(tensor.shape[2:], []).append(tensor)
    roles: list[Output] = []
    kinds = set()
    for (height, width), group in groups.items():
        if min(height, width) < 1 or imgsz[0] % height or imgsz[0] // height * width != imgsz[1]:
            return None
        channels = [tensor.shape[1] for tensor in group]
        if len(group) not in (2, 3) or channels[0] % 4 or (len(group) == 3 and channels[2] != 1):
            return None
        kinds.add(tuple(channels))
        stride = imgsz[0] // height
        for tensor, role in zip(group, ("box", "cls", "sum"), strict=False):
            roles.append(Output(tensor.name, role, stride))  # type: ignore[arg-type]
    if len(kinds) != 1:
        return None
    box, classes = kinds.pop()[:2]
    return tuple(roles), box // 4, classes


def _decoded(outputs: Sequence[Tensor], imgsz: tuple[int, int]) -> Found | None:
    if len(outputs) != 1 or len(outputs[0].shape) != 3 or outputs[0].shape[0] != 1:
        return None
    _, channels, anchors = outputs[0].shape
    counts = [sum((imgsz[0] // stride) * (imgsz[1] // stride) for stride in strides) for strides in STRIDES]
    if anchors not in counts or channels < 5:
        return None
    return (Output(outputs[0].name, "decoded", 0),), 16, channels - 4


def ultralytics_names(properties: Mapping[str, str]) -> list[str] | None:
    """Return the class names that ultralytics wrote into an ONNX's metadata_props, or None."""
    try:
        names = ast.literal_eval(properties["names"])
        return [str(names[i]) for i in range(len(names))]
    except (KeyError, ValueError, SyntaxError, TypeError, IndexError):
        return None
