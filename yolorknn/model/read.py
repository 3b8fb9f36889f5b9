"""Read what a model file says of itself, without running it."""

from __future__ import annotations

from pathlib import Path

from yolorknn.model import onnx_file, rknn_file
from yolorknn.model.metadata import ModelMetadata


def read_metadata(path: Path, *, names: list[str] | None = None) -> ModelMetadata:
    """Return what an .onnx or .rknn says of itself, without running it.

    Raises:
        ModelError: absent, broken, or of another kind.
        MissingDependencyError: reading an .onnx needs the onnx package.
    """
    if path.suffix.lower() == ".rknn":
        return rknn_file.read(path).metadata(names=names)
    return onnx_file.read(path).metadata(names=names)
