"""The one door: a model file, and where it is to run, to its metadata and what runs it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from yolorknn.errors import ModelError
from yolorknn.files import check_model_file
from yolorknn.model import rknn_file
from yolorknn.model.anchor_sizes import AnchorSizes
from yolorknn.model.first_file import first_metadata
from yolorknn.model.fit import check_fit
from yolorknn.model.interface import Interface, interface_of
from yolorknn.model.metadata import ModelMetadata, Tensor
from yolorknn.model.read import read_file
from yolorknn.model.seen import read_seen
from yolorknn.model.torchscript_file import is_torchscript
from yolorknn.progress import Progress
from yolorknn.runtime import ort
from yolorknn.runtime.backend import Backend, SessionBackend
from yolorknn.runtime.cores import Runtime, check_asked, open_cores
from yolorknn.runtime.recovering import RecoveringSession
from yolorknn.runtime.rknnlite1 import check_board, open_lite1
from yolorknn.runtime.session import Session, on_core, unchanged
from yolorknn.runtime.stderr import give_back_stderr
from yolorknn.tasks.known import metadata_of, output_shapes
from yolorknn.text import reason_of


@dataclass(frozen=True)
class Place:
    """Where a model is to run, as `--simulate`, `--device` and `--device-id` say; with none of them, here."""

    simulate: bool = False
    dataset: Path | None = None
    """With simulate, the calibration set; see SimulatorSession."""
    device: bool = False
    device_id: str | None = None
    """See DeviceSession; for the only board attached, `device` is enough."""
    toolkit: str | None = None
    """With simulate or a board, the version of rknn-toolkit2; see toolkits.installed.choose()."""
    cores: tuple[int, ...] | None = None
    """With none of them, on a board: which NPU cores, from 0; None for all."""

    def where(self, model: Path) -> str:
        """Return what runs a model there, as a sentence goes on."""
        if self.remote:
            return f"board {self.device_id}" if self.device_id else "the attached board"
        if self.simulate:
            return "the simulator"
        return "the NPU" if model.suffix.lower() == ".rknn" else "onnxruntime"

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
    anchors: AnchorSizes | None = None,
    runtime: Runtime = "auto",
    contexts: int = 1,
    progress: Progress | None = None,
) -> tuple[ModelMetadata, list[Backend]]:
    """Open a model where it is to run: here an .onnx on onnxruntime, a .rknn on every core of this board's NPU.

    Args:
        path: the model.
        place: where it is to run.
        names: class names, for a model without metadata.
        anchors: sizes of anchor boxes, for a model that has such and no metadata.
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
        ValueError: see runtime.cores.check_asked().
    """
    check_asked(runtime, contexts)
    own = None if names is None else list(names)
    metadata, sessions = (
        _elsewhere(path, place, own, anchors, progress)
        if place.remote or place.simulate
        else _here(path, own, anchors, runtime=runtime, contexts=contexts, cores=place.cores)
    )
    return metadata, [SessionBackend(session, metadata) for session in sessions]


def _elsewhere(
    path: Path, place: Place, names: list[str] | None, anchors: AnchorSizes | None, progress: Progress | None
) -> tuple[ModelMetadata, Sequence[Session]]:
    if (first := first_metadata(path)) is not None:
        return _first_elsewhere(path, first, place, progress)
    if place.remote:
        from yolorknn.convert.device import DeviceSession, read_for_a_board

        metadata = metadata_of(read_for_a_board(path), names=names, anchors=anchors)
        return metadata, [DeviceSession(path, device_id=place.device_id, toolkit=place.toolkit, progress=progress)]
    from yolorknn.convert.recipe.request import BuildRequest
    from yolorknn.convert.simulator import SimulatorSession

    request = BuildRequest(path, dataset=place.dataset, names=names, anchors=anchors, toolkit=place.toolkit)
    simulator = SimulatorSession(request, progress=progress)
    assert simulator.metadata is not None, "it is no generic model"
    return simulator.metadata, [simulator]


def _first_elsewhere(
    path: Path, metadata: ModelMetadata, place: Place, progress: Progress | None
) -> tuple[ModelMetadata, Sequence[Session]]:
    """Open a .rknn for a chip of the first generation on its simulator."""
    from yolorknn.convert.first.simulator import FirstSimulatorSession

    if place.remote:
        raise ModelError(f"{path} is for a chip of the first generation: on the board run it there, or use --simulate")
    simulator = FirstSimulatorSession(path, metadata, dataset=place.dataset, progress=progress)
    return simulator.metadata, [simulator]


def _first_here(path: Path, metadata: ModelMetadata) -> tuple[ModelMetadata, Sequence[Session]]:
    check_board(path, metadata)
    try:
        _, seen = read_seen(path)
    except OSError as exc:
        raise ModelError(f"cannot read the model {path}: {reason_of(exc)}") from exc
    inputs = [Tensor("images", (1, *metadata.image_shape), "uint8", "NHWC")]
    outputs = [Tensor(name, shape, "float32") for name, shape in output_shapes(metadata).items()]
    opening = unchanged(seen, partial(open_lite1, path, inputs=inputs, outputs=outputs))
    session = RecoveringSession(opening, where=on_core(path, None), abandon=give_back_stderr)
    return metadata, [session]


def open_sessions(
    path: Path, place: Place = HERE, *, runtime: Runtime = "auto", contexts: int = 1, progress: Progress | None = None
) -> tuple[Interface, Sequence[Session]]:
    """Open a model of any kind where it is to run, as arrays by name; see open_model.

    On the simulator, what is no .rknn is built as it is: in fp16, or with a calibration set in int8.

    Returns:
        What it takes and gives, and a session for each run that can be under way at once.

    Raises:
        ModelError: absent, broken, of another kind, or for another platform.
        BackendError: the runtime refused it.
        MissingDependencyError: the runtime is not installed.
        CalibrationError, BuildError: see SimulatorSession.
    """
    if place.remote:
        from yolorknn.convert.device import DeviceSession

        device = DeviceSession(path, device_id=place.device_id, toolkit=place.toolkit, progress=progress)
        return device.interface, [device]
    check_model_file(path)
    if place.simulate:
        from yolorknn.convert.recipe.request import BuildRequest
        from yolorknn.convert.simulator import SimulatorSession

        generic = path.suffix.lower() != ".rknn" or rknn_file.read(path).generic
        simulator = SimulatorSession(
            BuildRequest(path, dataset=place.dataset, generic=generic, toolkit=place.toolkit), progress=progress
        )
        return simulator.interface, [simulator]
    match path.suffix.lower():
        case ".onnx":
            session = ort.OrtSession(path)
            return session.interface, [session]
        case ".rknn":
            file = rknn_file.read(path)
            metadata = file.recorded()
            if metadata and (why := check_fit(metadata.build)):
                raise ModelError(f"{path} does not run with Runner: {why}")
            source = metadata.source_of(path) if metadata else path.with_suffix(".onnx")
            return interface_of(file), open_cores(file, source=source, runtime=runtime, contexts=contexts)
        case ".pt" if not is_torchscript(path):
            raise ModelError(_checkpoint(path))
        case suffix:
            raise ModelError(
                f"{path} has suffix '{suffix}': what runs here is an .onnx or an .rknn file; build one with "
                f"'yolorknn build {path} --generic'"
            )


def _checkpoint(path: Path) -> str:
    return f"{path} is a training checkpoint: make a model of it with 'yolorknn export {path}'"


def _here(
    path: Path,
    names: list[str] | None,
    anchors: AnchorSizes | None,
    *,
    runtime: Runtime,
    contexts: int,
    cores: tuple[int, ...] | None,
) -> tuple[ModelMetadata, Sequence[Session]]:
    check_model_file(path)
    match path.suffix.lower():
        case ".onnx":
            session = ort.OrtSession(path)
            return metadata_of(session.facts(), names=names, anchors=anchors), [session]
        case ".rknn" if (first := first_metadata(path)) is not None:
            return _first_here(path, first)
        case ".rknn":
            file = rknn_file.read(path)
            metadata = metadata_of(file, names=names, anchors=anchors)
            if why := check_fit(metadata.build):
                raise ModelError(f"{path} is not for detection by yolorknn: {why}")
            source = metadata.source_of(path)
            return metadata, open_cores(file, source=source, runtime=runtime, contexts=contexts, cores=cores)
        case ".pt":
            raise ModelError(_checkpoint(path))
        case suffix:
            raise ModelError(f"{path} has suffix '{suffix}': a model is an .onnx or an .rknn file")


def read_metadata(
    path: Path, *, names: Sequence[str] | None = None, anchors: AnchorSizes | None = None
) -> ModelMetadata:
    """Return what an .onnx or .rknn says of itself, without running it.

    Raises:
        ModelError: absent, broken, or of another kind.
        MissingDependencyError: reading an .onnx needs the onnx package.
    """
    return first_metadata(path) or metadata_of(read_file(path), names=names, anchors=anchors)
