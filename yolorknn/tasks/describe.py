"""What an .onnx or .rknn says of itself, as facts to show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from yolorknn.errors import MetadataError, ModelError
from yolorknn.model import onnx_file, rknn_file, torchscript_file
from yolorknn.model.first_file import first_metadata
from yolorknn.model.rknn_file import RknnFile
from yolorknn.model.torchscript_file import is_torchscript
from yolorknn.tasks.known import metadata_of


def describe(path: Path) -> dict[str, Any]:
    """Return the facts as plain JSON values. An .onnx needs the onnx package.

    Raises:
        ModelError: absent, broken, or of another kind.
        MissingDependencyError: the package is not installed.
    """
    readers = {".rknn": _rknn, ".onnx": _onnx, ".torchscript": _torchscript}
    reader = _torchscript if is_torchscript(path) else readers.get(path.suffix.lower())
    if reader is None:
        raise ModelError(f"{path} has suffix '{path.suffix}': info reads {', '.join(readers)}, .pt")
    return reader(path)


def _rknn(path: Path) -> dict[str, Any]:
    if (first := first_metadata(path)) is not None:
        return {"format": "rknn, first generation", **first.describe()}
    file = rknn_file.read(path)
    return {
        "format": "rknn",
        "platforms": list(file.platforms),
        "toolkit": file.toolkit,
        **_detector(file),
        **(_generic(file) if file.generic else {}),
        "inputs": _stated(file, file.inputs),
        "outputs": _stated(file, file.outputs),
    }


def _generic(file: RknnFile) -> dict[str, Any]:
    """Return how a generic model was built; one that an earlier yolorknn made does not say."""
    try:
        metadata = file.recorded()
    except MetadataError as exc:
        return {"generic": True, "build": f"none: {exc}"}
    return {"generic": True} if metadata is None else dict(metadata.describe())


def _onnx(path: Path) -> dict[str, Any]:
    file = onnx_file.read(path)
    return {
        "format": "onnx",
        "opset": file.opset,
        "producer": file.producer,
        **_detector(file),
        "inputs": _tensors(file.inputs, file.open_sides),
        "outputs": _tensors(file.outputs, file.open_sides),
    }


def _torchscript(path: Path) -> dict[str, Any]:
    file = torchscript_file.read(path)
    return {
        "format": "torchscript",
        "module": file.module,
        "inputs": list(file.inputs),
        "outputs": [file.outputs],
        "weight_bytes": file.weight_bytes,
        "shapes": "a TorchScript file states none: a build is told them by --size",
    }


def _detector(file: Any) -> dict[str, Any]:
    """Return the metadata; of a model that is no detector of ours, say so instead."""
    try:
        fields = dict(metadata_of(file).describe())
    except ModelError as exc:  # also of a dynamic shape
        return {"metadata": f"none: {exc}"}
    del fields["outputs"]
    return fields


def _stated(file: RknnFile, tensors: list[Any]) -> list[str]:
    """Return tensors as the chip has them, and in brackets what they were before it was built, where that is told."""
    lines = _tensors(tensors, {name: [_alternatives(shapes)] for name, shapes in file.several.items()})
    return [
        f"{line} (of {file.dtypes[tensor.name]})" if file.dtypes.get(tensor.name, "float32") != "float32" else line
        for line, tensor in zip(lines, tensors, strict=True)
    ]


def _alternatives(shapes: Sequence[Sequence[int]]) -> str:
    return " or ".join("x".join(map(str, shape)) for shape in shapes)


def _tensors(tensors: list[Any], sides: Mapping[str, Sequence[str]] | None = None) -> list[str]:
    """Return tensors as text; `sides` are those of the ones that have some of any length, by their names."""
    shapes = {tensor.name: (sides or {}).get(tensor.name) or tensor.shape for tensor in tensors}
    return [f"{tensor.name} {'x'.join(map(str, shapes[tensor.name]))} {tensor.dtype}" for tensor in tensors]
