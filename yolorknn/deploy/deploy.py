"""A model from the PC to boxes on a board, and whether they are the PC's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from yolorknn.data.dataset import read_folder, thin
from yolorknn.deploy.answers import answered, detections_of, findings_of
from yolorknn.deploy.install import OWN, Installed, install
from yolorknn.deploy.probe import Board, absolute, probe
from yolorknn.deploy.ssh import Done, Remote
from yolorknn.deploy.wheels import board_wheel
from yolorknn.doctor.machine import Finding
from yolorknn.errors import DeployError, ModelError, SourceError
from yolorknn.image import IMAGE_SUFFIXES
from yolorknn.model import rknn_file
from yolorknn.model.metadata import ModelMetadata
from yolorknn.model.onnx_file import digest
from yolorknn.predict.detector import Detector
from yolorknn.scratch import temporary_folder
from yolorknn.tasks.agreement import Agreement, agreement, table, total
from yolorknn.tasks.detections import Detections
from yolorknn.tasks.known import metadata_of, task_of
from yolorknn.tasks.task import Task
from yolorknn.text import printable

MOST_SAMPLES = 20
LEAST = 0.8
"""Least agreement. int8 against float loses and gains boxes near the confidence threshold; a model in the wrong
colours, size or layout loses nearly all."""


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

    def table(self) -> str:
        """Return the comparison as text."""
        return table(self.rows, names=("PC", "board"))

    def check(self) -> None:
        """Refuse a board that does not find what the PC finds.

        Raises:
            DeployError: the agreement over all images is below LEAST.
        """
        share = total(self.rows).share
        if share < LEAST:
            raise DeployError(
                f"the board agrees with {self.reference} in {share:.0%} of the boxes, less than {LEAST:.0%}: "
                "see with --simulate whether quantization or the board costs them"
            )


def deploy(
    remote: Remote,
    model: Path,
    *,
    samples: Path | None = None,
    folder: str = "yolorknn",
    python: str = "python3",
    offline: bool = False,
    simulate: bool = False,
    dataset: Path | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> Deployment:
    """Copy a model to a board, install yolorknn there, run its doctor, and compare what it finds with the PC.

    Args:
        remote: an open connection.
        model: a .rknn, with the .onnx it was built from beside it.
        samples: an image, or a folder of which MOST_SAMPLES are taken; default is the model's calibration set.
        folder: on the board, below the home folder.
        python: the board's command for Python 3.10 or later.
        offline: carry all wheels there.
        simulate: compare with the vendor's simulator of the NPU instead of with the .onnx.
        dataset: with simulate, the calibration set; default is the one that the .rknn was built with.
        tell: is told what the doctor found wrong.

    Raises:
        ModelError: the .rknn or .onnx is absent, broken or not for that board.
        SourceError: there are no samples, or one cannot be read.
        DeployError: a step on the board failed.
    """
    reference, images = local_side(model, samples, simulate=simulate)
    board = probe(remote, python)
    with Detector(reference, simulate=simulate, dataset=dataset if simulate else None) as detector:
        expected = [detector.detect(path) for path in images]
    installed = Installed(absolute(board, folder), model.name)
    files = {model.name: model} | {f"samples/{n:04d}{path.suffix}": path for n, path in enumerate(images)}
    if (sidecar := model.with_suffix(".json")).is_file():
        files[sidecar.name] = sidecar
    remote.send(files, installed.folder)
    with temporary_folder("deploy") as temporary:
        wheel = board_wheel(temporary, python=board.python)
        install(remote, board, installed.folder, wheel, offline=offline)
    findings = _doctor(remote, installed)
    for finding in findings:
        if finding.status != "ok":
            tell(f"{finding.status}: {finding.text}\n  fix: {finding.fix}")
        if finding.status == "problem" and finding.check == "model":
            raise ModelError(f"{finding.text}: {finding.fix}")
    found = _detect(remote, installed, task_of(metadata_of(rknn_file.read(model))), len(images))
    rows = [agreement(printable(path.name), *pair) for path, *pair in zip(images, expected, found, strict=True)]
    return Deployment(board, installed, findings, tuple(rows), "the simulator" if simulate else reference.name)


def local_side(model: Path, samples: Path | None, *, simulate: bool) -> tuple[Path, list[Path]]:
    """Return what the PC is to run and the images to compare on; needs no board.

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
    if source.suffix.lower() in IMAGE_SUFFIXES and not source.is_dir():
        images = [source]
    else:
        images = read_folder(source if source.is_dir() else source.parent)
    if not images:
        raise SourceError(f"{source} has no images to compare on: give --samples, an image or a folder of images")
    return thin(images, MOST_SAMPLES)


def _yolorknn(remote: Remote, installed: Installed, *words: str) -> Done:
    # by -m, as pip's start-up scripts fail below a folder with a $ or " in its name
    return remote.run(OWN, "-m", "yolorknn", *words, folder=installed.folder)


def _doctor(remote: Remote, installed: Installed) -> tuple[Finding, ...]:
    done = _yolorknn(remote, installed, "doctor", "--model", installed.model, "--json")
    try:
        return findings_of(done.stdout)
    except (LookupError, ValueError, TypeError, AttributeError, RecursionError):
        raise DeployError(f"the doctor failed on {remote.host}: {_error(done)}") from None


def _detect(remote: Remote, installed: Installed, task: Task, count: int) -> list[Detections]:
    done = _yolorknn(remote, installed, "detect", "samples", "--model", installed.model, "--no-save", "--json", "-")
    if done.status != 0:
        raise DeployError(f"detect failed on {remote.host}: {_error(done)}")
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if len(lines) != count:
        raise DeployError(f"detect answered {len(lines)} of {count} images on {remote.host}: {_error(done)}")
    with answered(remote, done.stdout):
        return [detections_of(line, task.read) for line in lines]


def _error(done: Done) -> str:
    """Return the sentence of a yolorknn that failed."""
    return done.reason.removeprefix("error: ")
