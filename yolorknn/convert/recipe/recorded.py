"""What a .rknn records of its build, as a request to build the same again."""

from __future__ import annotations

import glob
from dataclasses import replace
from pathlib import Path

from yolorknn.convert.recipe.build_options import BuildOptions
from yolorknn.convert.recipe.request import BuildRequest
from yolorknn.errors import CalibrationError, ModelError
from yolorknn.model import rknn_file
from yolorknn.model.fit import check_fit
from yolorknn.model.metadata import Build
from yolorknn.model.onnx_file import digest
from yolorknn.tasks.known import metadata_of


def repeated(request: BuildRequest) -> BuildRequest:
    """Return the request whose build can be simulated: for a .rknn, the one it was built by.

    Args:
        request: `model` is an .onnx; or a .rknn, which must have its .onnx beside it and has all else of its own. Its
            `dataset` stands for the one that the .rknn was built with.

    Raises:
        ModelError: the file is absent or broken, a .rknn's .onnx is not beside it, or the simulator cannot run it.
        CalibrationError: the calibration set is absent.
        BuildError: see BuildRequest.decided.
    """
    if request.model.suffix.lower() == ".rknn":
        onnx, build = read_recorded(request.model)
        request = replace(
            request,
            model=onnx,
            platform=build.platform,
            dtype=build.dtype,
            dataset=request.dataset or _dataset(build),
            options=BuildOptions.of(build),
            recorded=build,
        )
    how = Build(request.platform, request.decided(), "", options=request.options.recorded())
    if why := check_fit(how):
        raise ModelError(f"{request.model} cannot be simulated with these options: {why}")
    return request


def read_recorded(rknn: Path) -> tuple[Path, Build]:
    """Return the .onnx that a .rknn was built from, and how.

    Raises:
        ModelError: the file is absent or broken, or its .onnx is not beside it or has changed.
    """
    metadata = metadata_of(rknn_file.read(rknn))
    if metadata.build is None:
        raise ModelError(f"{rknn} was not made by yolorknn, so its recipe is unknown: give its .onnx instead")
    onnx = metadata.source_of(rknn)
    if not onnx.is_file():
        raise ModelError(
            f"building {rknn} again needs the ONNX it was built from, but there is no {onnx}: copy or export it there"
        )
    if digest(onnx) != metadata.sha256:
        raise ModelError(f"{onnx} has changed since {rknn} was built from it: build it again, or give the .onnx")
    return onnx, metadata.build


def _dataset(build: Build) -> Path | None:
    if build.images == 0:
        return None
    dataset = Path(build.dataset)
    if not dataset.exists() and not any(glob.iglob(build.dataset, recursive=True)):
        raise CalibrationError(f"there is no calibration set {dataset}, with which the .rknn was built: pass --dataset")
    return dataset
