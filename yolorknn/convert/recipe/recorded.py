"""What a .rknn records of its build, as a request to build the same again."""

from __future__ import annotations

import glob
import logging
from dataclasses import replace
from pathlib import Path

from yolorknn.convert.recipe.build_options import BuildOptions
from yolorknn.convert.recipe.generic import source_digest
from yolorknn.convert.recipe.own_ops import unchanged
from yolorknn.convert.recipe.request import BuildRequest
from yolorknn.errors import CalibrationError, ModelError
from yolorknn.model import rknn_file
from yolorknn.model.anchor_sizes import AnchorSizes
from yolorknn.model.fit import check_fit
from yolorknn.model.generic import GenericMetadata
from yolorknn.model.metadata import Build, ModelMetadata
from yolorknn.model.onnx_file import digest
from yolorknn.tasks.known import metadata_of
from yolorknn.toolkits.installed import choose, recorded

_logger = logging.getLogger(__name__)


def repeated(request: BuildRequest) -> BuildRequest:
    """Return the request whose build can be simulated: for a .rknn, the one it was built by.

    Args:
        request: `model` is an .onnx; or a .rknn, which must have its .onnx beside it and has all else of its own. Its
            `dataset` stands for the one that the .rknn was built with, its `toolkit` for the one that built it, if
            that is here; that another one is used is told, as a warning.

    Raises:
        ModelError: the file is absent or broken, a .rknn's .onnx is not beside it, or the simulator cannot run it.
        CalibrationError: the calibration set is absent.
        BuildError: see BuildRequest.decided.
        MissingDependencyError: that rknn-toolkit2 is not installed.
    """
    if request.model.suffix.lower() == ".rknn":
        source, build, generic = read_recorded(request.model)
        toolkit = choose(request.toolkit or recorded(build.toolkit)).version
        if toolkit != build.toolkit:
            _logger.warning(
                "%s was built by rknn-toolkit2 %s, and is built again by %s, which may compute something else: "
                "'yolorknn toolkit install %s' brings the same",
                *(request.model, build.toolkit, toolkit, build.toolkit),
            )
        stated = None if generic else metadata_of(rknn_file.read(request.model))
        request = replace(
            request,
            model=source,
            generic=generic,
            platform=build.platform,
            dtype=build.dtype,
            dataset=request.dataset or dataset_of(build, request.model),
            names=stated.names if stated else None,
            anchors=anchors_of(stated) if stated else None,
            options=replace(BuildOptions.of(build), custom_ops=unchanged(build.custom_ops, request.model)),
            toolkit=toolkit,
            recorded=build,
        )
    how = Build(request.platform, request.decided(), "", options=request.options.recorded())
    if why := check_fit(how):
        raise ModelError(f"{request.model} cannot be simulated with these options: {why}")
    return request


def read_recorded(rknn: Path) -> tuple[Path, Build, bool]:
    """Return the file that a .rknn was built from, how, and whether as it is, as no detector.

    Raises:
        ModelError: the file is absent or broken, or its source is not beside it or has changed.
    """
    file = rknn_file.read(rknn)
    metadata = file.recorded() if file.generic else metadata_of(file)
    if metadata is None or metadata.build is None:
        raise ModelError(
            f"{rknn} does not say how it was built, as others or an earlier yolorknn made it: give its .onnx instead"
        )
    return checked_source(rknn, metadata), metadata.build, file.generic


def checked_source(rknn: Path, metadata: ModelMetadata | GenericMetadata) -> Path:
    """Return the file that a .rknn was built from, by what it says of itself.

    Raises:
        ModelError: it is not beside the .rknn, or has changed.
    """
    source = metadata.source_of(rknn)
    if not source.is_file():
        what = "ONNX" if source.suffix.lower() == ".onnx" else "model"
        raise ModelError(
            f"building {rknn} again needs the {what} it was built from, but there is no {source}: copy or export it "
            "there"
        )
    if (source_digest if isinstance(metadata, GenericMetadata) else digest)(source) != metadata.sha256:
        raise ModelError(f"{source} has changed since {rknn} was built from it: build it again")
    return source


def anchors_of(metadata: ModelMetadata) -> AnchorSizes | None:
    """Return the sizes of all anchor boxes as they were given, the finest stride's first; None where there are none."""
    strides = [output.stride for output in metadata.outputs]
    groups = sorted(zip(strides, metadata.anchors, strict=False))
    return tuple(size for _, group in groups for size in group) or None


def dataset_of(build: Build, rknn: Path) -> Path | None:
    """Return the calibration set that a build names, where it was or beside the .rknn; None where it is not quantized.

    Raises:
        CalibrationError: it is not there.
    """
    if build.images == 0:
        return None
    dataset = Path(build.dataset)
    beside = rknn.parent / dataset.name
    if not dataset.exists() and beside.exists():
        return beside
    if not dataset.exists() and not any(glob.iglob(build.dataset, recursive=True)):
        raise CalibrationError(f"there is no calibration set {dataset}, with which the .rknn was built: pass --dataset")
    return dataset


def check_calibrated_alike(recorded: Build | None, build: Build) -> None:
    """Refuse to repeat a build with another calibration set than its own.

    Args:
        recorded: what the .rknn records; None where no build is repeated.
        build: the one to be.

    Raises:
        CalibrationError: the images are others.
    """
    if recorded is not None and recorded.digest != build.digest:
        raise CalibrationError(
            f"{build.dataset} does not hold the {recorded.images} images that the .rknn was calibrated with: give that "
            "set, or build again with this one"
        )
