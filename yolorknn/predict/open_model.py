"""The one door: a model file, and where it is to run, to its metadata and what runs it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from yolorknn.errors import ModelError
from yolorknn.files import check_model_file
from yolorknn.model import rknn_file
from yolorknn.model.fit import check_fit
from yolorknn.model.metadata import ModelMetadata
from yolorknn.model.read import read_file
from yolorknn.progress import Progress
from yolorknn.runtime import ort
from yolorknn.runtime.backend import Backend, SessionBackend
from yolorknn.runtime.cores import Runtime, open_cores
from yolorknn.runtime.session import Session
from yolorknn.tasks.known import metadata_of


@dataclass(frozen=True)
class Place:
    """Where a model is to run, as `--simulate`, `--device` and `--device-id` say; with none of them, here."""

    simulate: bool = False
    dataset: Path | None = None
    """With simulate, the calibration set; see SimulatorSession."""
    device: bool = False
    device_id: str | None = None
    """See DeviceSession; for the only board attached, `device` is enough."""

    @property
    def remote(self) -> bool:
        """Whether it is a board attached to this PC."""
        return self.device or self.device_id is not None


HERE = Place()


def open_model(
    path: Path,
    place: Place = HERE,
    *,
    names: Sequence[str] | None = None,
    runtime: Runtime = "auto",
    contexts: int = 1,
    progress: Progress | None = None,
) -> tuple[ModelMetadata, list[Backend]]:
    """Open a model where it is to run: here an .onnx on onnxruntime, a .rknn on every core of this board's NPU.

    Args:
        path: the model.
        place: where it is to run.
        names: class names, for a model without metadata.
        runtime: of the vendor's two, on a board; see runtime.cores.
        contexts: how many on each NPU core.
        progress: told the steps, where they take long.

    Returns:
        What the model says of itself, and a backend for each image that can be under way at once.

    Raises:
        ModelError: absent, broken, of another kind, or for another platform.
        BackendError: the runtime refused it.
        MissingDependencyError: the runtime is not installed.
        CalibrationError, BuildError: see SimulatorSession.
    """
    own = None if names is None else list(names)
    metadata, sessions = (
        _elsewhere(path, place, own, progress)
        if place.remote or place.simulate
        else _here(path, own, runtime, contexts)
    )
    return metadata, [SessionBackend(session, metadata) for session in sessions]


def _elsewhere(
    path: Path, place: Place, names: list[str] | None, progress: Progress | None
) -> tuple[ModelMetadata, Sequence[Session]]:
    if place.remote:
        from yolorknn.convert.device import DeviceSession

        device = DeviceSession(path, device_id=place.device_id, names=names, progress=progress)
        return device.metadata, [device]
    from yolorknn.convert.recipe.request import BuildRequest
    from yolorknn.convert.simulator import SimulatorSession

    simulator = SimulatorSession(BuildRequest(path, dataset=place.dataset, names=names), progress=progress)
    return simulator.metadata, [simulator]


def _here(
    path: Path, names: list[str] | None, runtime: Runtime, contexts: int
) -> tuple[ModelMetadata, Sequence[Session]]:
    check_model_file(path)
    match path.suffix.lower():
        case ".onnx":
            session = ort.OrtSession(path)
            return metadata_of(session.facts(), names=names), [session]
        case ".rknn":
            file = rknn_file.read(path)
            metadata = metadata_of(file, names=names)
            if why := check_fit(metadata.build):
                raise ModelError(f"{path} is not for detection by yolorknn: {why}")
            source = metadata.source_of(path)
            return metadata, open_cores(file, source=source, runtime=runtime, contexts=contexts)
        case ".pt":
            raise ModelError(f"{path} is a training checkpoint: make a model of it with 'yolorknn export {path}'")
        case suffix:
            raise ModelError(f"{path} has suffix '{suffix}': a model is an .onnx or an .rknn file")


def read_metadata(path: Path, *, names: Sequence[str] | None = None) -> ModelMetadata:
    """Return what an .onnx or .rknn says of itself, without running it.

    Raises:
        ModelError: absent, broken, or of another kind.
        MissingDependencyError: reading an .onnx needs the onnx package.
    """
    return metadata_of(read_file(path), names=names)
