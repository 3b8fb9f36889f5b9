"""A model from the PC to boxes on a board, and whether they are the PC's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from yolorknn.convert.recipe.recorded import anchors_of
from yolorknn.data.calibration_set import CalibrationSet
from yolorknn.data.dataset import thin
from yolorknn.deploy.answers import answered, found_in
from yolorknn.deploy.install import Installed
from yolorknn.deploy.placed import error_of, place_model, yolorknn_there
from yolorknn.deploy.probe import Board, probe
from yolorknn.deploy.ssh import Remote
from yolorknn.deploy.supply import Supply
from yolorknn.doctor.machine import Finding
from yolorknn.errors import CalibrationError, DeployError, ModelError, SourceError
from yolorknn.model import rknn_file
from yolorknn.model.metadata import ModelMetadata
from yolorknn.model.onnx_file import digest
from yolorknn.predict.loaded_model import LoadedModel
from yolorknn.predict.open_model import Place
from yolorknn.runtime.backend import Backend, SessionBackend
from yolorknn.runtime.ort import OrtSession
from yolorknn.tasks.agreement import Agreement, agreement, table, total, unlike
from yolorknn.tasks.classification import Classification
from yolorknn.tasks.detections import Detections
from yolorknn.tasks.known import metadata_of, task_of
from yolorknn.tasks.task import Task, Thresholds
from yolorknn.text import printable

MOST_SAMPLES = 20
LEAST = 0.8
"""Least agreement. int8 against float loses and gains boxes near the confidence threshold; a model in the wrong
colours, size or layout loses nearly all."""


@dataclass(frozen=True)
class Expected:
    """What the PC finds in the images to compare on."""

    images: tuple[Path, ...]
    found: tuple[Detections | Classification, ...]
    reference: str
    """What the PC ran, in words."""


@dataclass(frozen=True)
class Deployment:
    """A model on a board, and how far the board agrees with the PC."""

    board: Board
    installed: Installed
    findings: tuple[Finding, ...]
    """Of the board's doctor."""
    rows: tuple[Agreement, ...]
    """For each sample, what the board found against what the PC found."""
    reference: str
    """What the PC ran, in words."""

    @property
    def told(self) -> str:
        """How far they agree, in a few words."""
        every = total(self.rows)
        if not every.expected + every.found:
            return self._nothing
        more = (f", {one.what} alike in {one.share:.0%}" for one in every.also)
        return "".join([f"{every.share:.0%} of what {self.reference} finds", *more])

    def table(self) -> str:
        """Return the comparison as text."""
        every, text = total(self.rows), table(self.rows, names=("PC", "board"))
        return text if every.expected + every.found else f"{text}\n{self._nothing}"

    @property
    def _nothing(self) -> str:
        images = f"{len(self.rows)} images" if len(self.rows) != 1 else "one image"
        return f"neither finds anything in {images}, which shows little: give --samples with objects"

    def check(self) -> None:
        """Refuse a board that does not find what the PC finds.

        Raises:
            DeployError: the agreement over all images is below LEAST, or that of the masks, keypoints, corners or
                probabilities of what both find; the sentence says of which, and in which image it is the least.
        """
        share = total(self.rows).share
        if share < LEAST:
            raise DeployError(
                f"the board agrees with {self.reference} in {share:.0%} of what they find, less than {LEAST:.0%}: "
                "see with --simulate whether quantization or the board costs them"
            )
        if (differing := unlike(self.rows, LEAST)) is not None:
            raise DeployError(
                f"the board's {differing.what} are not those of {self.reference}: {differing.told}: "
                "see with --simulate whether quantization or the board costs them"
            )


def expect(model: Path, reference: Path, images: Sequence[Path], *, simulate: bool, dataset: Path | None) -> Expected:
    """Return what the PC finds.

    Args:
        model: the .rknn: what its .onnx does not say of itself, as anchor boxes, it was told when it was built.
        reference: of local_side(), as are the images.
        images: to compare on.
        simulate: on the vendor's simulator of the NPU instead of with the .onnx.
        dataset: with simulate, the calibration set; default is the one that the .rknn was built with.

    Raises:
        ModelError, BackendError, CalibrationError, BuildError: it cannot be run here.
        SourceError: an image cannot be read.
    """
    told: dict[str, Any] = {"place": Place(simulate, dataset)}
    if not simulate:
        built = metadata_of(rknn_file.read(model))
        told = {"names": built.names, "anchors": anchors_of(built), "backends": [_as_built(reference, built)]}
    with LoadedModel[Detections | Classification](reference, thresholds=Thresholds(), **told) as loaded:
        found = tuple(loaded.run(path) for path in images)
    return Expected(tuple(images), found, "the simulator" if simulate else reference.name)


def _as_built(onnx: Path, built: ModelMetadata) -> Backend:
    """Return an .onnx on onnxruntime, which is shown pictures with the mean and std that the .rknn has."""
    return SessionBackend(OrtSession(onnx), built)


def try_model(
    remote: Remote,
    model: Path,
    expected: Expected,
    supply: Supply,
    *,
    folder: str = "yolorknn",
    python: str = "python3",
    tell: Callable[[str], None] = lambda _: None,
) -> Deployment:
    """Copy a model to a board, install yolorknn there, run its doctor, and compare what it finds with the PC.

    The model that runs there stays where it is; see take_over().

    Args:
        remote: an open connection.
        model: a .rknn, with the .onnx it was built from beside it.
        expected: of expect().
        supply: of wheels.
        folder: on the board, below the home folder.
        python: the board's command for Python 3.10 or later.
        tell: is told what the doctor found wrong.

    Raises:
        ModelError: the model is not for that board.
        DeployError: a step on the board failed.
    """
    board = probe(remote, python)
    shown = {f"samples/{n:04d}{path.suffix}": path for n, path in enumerate(expected.images)}
    installed, findings = place_model(remote, board, model, shown, folder=folder, supply=supply, tell=tell)
    found = _detect(remote, installed, task_of(metadata_of(rknn_file.read(model))), len(expected.images))
    pairs = zip(expected.images, expected.found, found, strict=True)
    rows = [agreement(printable(path.name), *pair) for path, *pair in pairs]
    return Deployment(board, installed, findings, tuple(rows), expected.reference)


def local_side(model: Path, samples: Path | None, *, simulate: bool) -> tuple[Path, list[Path]]:
    """Return what the PC is to run and the images to compare on; needs no board.

    Args:
        model: a .rknn, with the .onnx it was built from beside it.
        samples: an image, or a folder of which MOST_SAMPLES are taken; default is the model's calibration set.
        simulate: whether the PC is to simulate the NPU.

    Raises:
        ModelError: the .rknn or .onnx is absent or broken.
        SourceError: there are no samples.
    """
    metadata = metadata_of(rknn_file.read(model))
    return _reference(model, metadata, simulate=simulate), _samples(model, metadata, samples)


def _reference(model: Path, metadata: ModelMetadata, *, simulate: bool) -> Path:
    """Return what the PC is to run: the model itself for the simulator, else the .onnx that it was built from."""
    if simulate:
        return model
    onnx = metadata.source_of(model)
    if not onnx.is_file():
        raise ModelError(f"there is no {onnx}, with which to compare what the board finds: copy or export it there")
    if metadata.build is not None and digest(onnx) != metadata.sha256:
        raise ModelError(f"{onnx} has changed since {model} was built from it: build it again")
    return onnx


def _samples(model: Path, metadata: ModelMetadata, given: Path | None) -> list[Path]:
    """Return the images to compare on, spread over what there is."""
    build = metadata.build
    source = given or (Path(build.dataset) if build and build.dataset else None)
    if source is None or not source.exists():
        what = f"there is no {source}" if source else f"{model} names no calibration images"
        raise SourceError(f"{what} to compare on: give --samples, an image or a folder of images")
    why = ""
    try:
        images = list(CalibrationSet.open(source).images)
    except CalibrationError as exc:
        images, why = [], "" if source.is_dir() else f" ({exc})"
    if not images:
        raise SourceError(f"{source} has no images to compare on{why}: give --samples, an image or a folder of images")
    return thin(images, MOST_SAMPLES)


def _detect(remote: Remote, installed: Installed, task: Task[Any], count: int) -> list[Detections | Classification]:
    done = yolorknn_there(
        remote, installed, "detect", "samples", "--model", installed.model, "--no-save", "--json", "-"
    )
    if done.status != 0:
        raise DeployError(f"detect failed on {remote.host}: {error_of(done)}")
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if len(lines) != count:
        raise DeployError(f"detect answered {len(lines)} of {count} images on {remote.host}: {error_of(done)}")
    with answered(remote, done.stdout):
        return [found_in(line, task) for line in lines]
