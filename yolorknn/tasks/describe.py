"""What an .onnx or .rknn says of itself, as facts to show."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from yolorknn.errors import MetadataError, ModelError
from yolorknn.model import onnx_file, rknn_file
from yolorknn.tasks.known import metadata_of


def describe(path: Path) -> dict[str, Any]:
    """Return the facts as plain JSON values. An .onnx needs the onnx package.

    Raises:
        ModelError: absent, broken, or of another kind.
        MissingDependencyError: the package is not installed.
    """
    readers = {".rknn": _rknn, ".onnx": _onnx}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise ModelError(f"{path} has suffix '{path.suffix}': info reads {', '.join(readers)}, .pt")
    return reader(path)


def _rknn(path: Path) -> dict[str, Any]:
    file = rknn_file.read(path)
    return {
        "format": "rknn",
        "platforms": list(file.platforms),
        "toolkit": file.toolkit,
        **_detector(file),
        "inputs": _tensors(file.inputs),
        "outputs": _tensors(file.outputs),
    }


def _onnx(path: Path) -> dict[str, Any]:
    file = onnx_file.read(path)
    return {
        "format": "onnx",
        "opset": file.opset,
        "producer": file.producer,
        **_detector(file),
        "inputs": _tensors(file.inputs),
        "outputs": _tensors(file.outputs),
    }


def _detector(file: Any) -> dict[str, Any]:
    """Return the metadata; of a model that is no detector of ours, say so instead."""
    try:
        fields = dict(metadata_of(file).describe())
    except MetadataError as exc:
        return {"metadata": f"none: {exc}"}
    del fields["outputs"]
    return fields


def _tensors(tensors: list[Any]) -> list[str]:
    return [f"{tensor.name} {'x'.join(map(str, tensor.shape))} {tensor.dtype}" for tensor in tensors]
