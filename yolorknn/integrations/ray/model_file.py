"""A model's file as a value, so that nodes run what only the driver's machine has."""

from __future__ import annotations

import hashlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from yolorknn.errors import ModelError, OutputError
from yolorknn.files import check_model_file, is_file, write_bytes
from yolorknn.text import reason_of


@dataclass(frozen=True)
class Shipped:
    """A model's file, and those beside it that it needs."""

    name: str
    data: bytes
    beside: tuple[tuple[str, bytes], ...] = ()
    """Of each its name and content."""

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
    """Return a model's file as what RayDetector takes, for nodes that have it not; the .json beside it goes along.

    Args:
        model: the .onnx or .rknn.
        beside: other files of its folder that it needs.

    Raises:
        ModelError: there is none.
    """
    path = Path(model)
    check_model_file(path)
    sidecar = path.with_suffix(".json")
    others = [*beside, *([sidecar] if is_file(sidecar) else [])]
    try:
        return Shipped(path.name, path.read_bytes(), tuple((other.name, other.read_bytes()) for other in others))
    except OSError as exc:
        raise ModelError(f"cannot read the model {path}: {reason_of(exc)}") from exc
