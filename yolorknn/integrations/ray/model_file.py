"""A model's file as a value, so that nodes run what only the driver's machine has."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from yolorknn.errors import MissingDependencyError, ModelError, OutputError
from yolorknn.files import check_model_file, is_file, write_bytes
from yolorknn.model.onnx_file import external_files
from yolorknn.text import reason_of


@dataclass(frozen=True)
class Shipped:
    """A model's file, and those beside it that it needs."""

    name: str
    data: bytes
    beside: tuple[tuple[str, bytes], ...] = ()
    """Of each its name, "/" between folders, and its content."""

    @property
    def sha256(self) -> str:
        """Of all of them."""
        digest = hashlib.sha256(self.data)
        for name, data in self.beside:
            digest.update(f"{name}\0{len(data)}\0".encode() + data)
        return digest.hexdigest()

    def unpacked(self) -> Path:
        """Return a file of this machine with it; several processes may ask at once.

        Raises:
            OutputError: it cannot be written.
        """
        folder = Path(tempfile.gettempdir()) / f"yolorknn-models-{os.getuid()}" / self.sha256
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            for name, data in (*self.beside, (self.name, self.data)):
                path = folder / name
                if not path.is_file() or path.read_bytes() != data:
                    write_bytes(path, data)
        except OSError as exc:
            raise OutputError(f"cannot keep the model in {folder}: {reason_of(exc)}") from exc
        return path


def shipped(model: str | Path, *beside: Path) -> Shipped:
    """Return a model's file as what RayDetector takes, for nodes that have it not.

    The .json beside it, and of an .onnx the files that hold its weights, go along.

    Args:
        model: the .onnx or .rknn.
        beside: other files that it needs, as the .onnx with which a .rknn is simulated.

    Raises:
        ModelError: there is none, or its weights are not beside it.
    """
    path = Path(model)
    check_model_file(path)
    sidecar = path.with_suffix(".json")
    others = {other.name: other for other in (*beside, *([sidecar] if is_file(sidecar) else []))}
    for file in (path, *beside):
        others |= {str(weights.relative_to(file.parent)): weights for weights in _weights_of(file)}
    try:
        return Shipped(path.name, path.read_bytes(), tuple((name, file.read_bytes()) for name, file in others.items()))
    except OSError as exc:
        raise ModelError(f"cannot read the model {path}: {reason_of(exc)}") from exc


def _weights_of(file: Path) -> tuple[Path, ...]:
    if file.suffix.lower() != ".onnx":
        return ()
    with contextlib.suppress(MissingDependencyError):  # without the onnx package it is taken for one that has them
        return external_files(file)
    return ()
