"""Read a model file without running it."""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias

from yolorknn.model import onnx_file, rknn_file
from yolorknn.model.onnx_file import OnnxFacts
from yolorknn.model.rknn_file import RknnFile

ModelFile: TypeAlias = OnnxFacts | RknnFile


def read_file(path: Path) -> ModelFile:
    """Read an .onnx or .rknn.

    Raises:
        ModelError: absent, broken, or of another kind.
        MissingDependencyError: reading an .onnx needs the onnx package.
    """
    return rknn_file.read(path) if path.suffix.lower() == ".rknn" else onnx_file.read(path)
