"""The one door: a model file, and where it is to run, to what runs it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from yolorknn.errors import ModelError
from yolorknn.model.metadata import ModelMetadata
from yolorknn.progress import Progress
from yolorknn.runtime.backend import Backend


@dataclass(frozen=True)
class Place:
    """What `--simulate`, `--device` and `--device-id` ask for; nothing is here."""

    simulate: bool = False
    dataset: Path | None = None
    """With simulate, the calibration set; see SimulatorBackend."""
    device: bool = False
    device_id: str | None = None
    """See DeviceBackend; for the only board attached, `device` is enough."""

    @property
    def remote(self) -> bool:
        """Whether it is a board attached to this PC."""
        return self.device or self.device_id is not None

    def backends(
        self, path: Path, *, names: list[str] | None = None, progress: Progress | None = None
    ) -> list[Backend] | None:
        """Open a model there; None where the place is here.

        Raises:
            YolorknnError: see SimulatorBackend and DeviceBackend.
        """
        if self.remote:
            from yolorknn.convert.device import DeviceBackend

            return [DeviceBackend(path, device_id=self.device_id, names=names, progress=progress)]
        if self.simulate:
            from yolorknn.convert.simulator import SimulatorBackend

            return [SimulatorBackend(path, dataset=self.dataset, names=names, progress=progress)]
        return None


HERE = Place()


def open_backends(path: Path, *, names: list[str] | None = None) -> tuple[ModelMetadata, list[Backend]]:
    """Open a model on the runtime its suffix asks for: .onnx on onnxruntime, .rknn on every core of this board's NPU.

    Args:
        path: the model.
        names: class names, for a model without metadata.

    Raises:
        ModelError: absent, broken, of another kind, or for another platform.
        BackendError: the runtime refused it.
        MissingDependencyError: the runtime is not installed.
    """
    if not path.is_file():
        raise ModelError(f"there is no model file {path}" if not path.is_dir() else f"{path} is a folder, not a model")
    match path.suffix.lower():
        case ".onnx":
            from yolorknn.runtime import ort

            backend = ort.OrtBackend(path, names=names)
            return backend.metadata, [backend]
        case ".rknn":
            from yolorknn.runtime import rknnlite

            metadata, opened = rknnlite.open_cores(path, names=names)
            return metadata, list(opened)
        case ".pt":
            raise ModelError(f"{path} is a training checkpoint: make a model of it with 'yolorknn export {path}'")
        case suffix:
            raise ModelError(f"{path} has suffix '{suffix}': a model is an .onnx or an .rknn file")
