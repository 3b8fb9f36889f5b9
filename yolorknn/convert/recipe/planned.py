"""A request made ready: the model read and copied, the calibration set letterboxed, as one BuildPlan."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from yolorknn.convert.export.custom_op import OP_TYPE
from yolorknn.convert.recipe.calibration import Calibration
from yolorknn.convert.recipe.generic import listing, loader_of
from yolorknn.convert.recipe.plan import BuildPlan
from yolorknn.convert.recipe.prepared import prepare
from yolorknn.convert.recipe.repair import needs_repair, repair_attention
from yolorknn.convert.recipe.request import BuildRequest
from yolorknn.convert.toolkit import cst_softmax
from yolorknn.convert.toolkit.process import CustomOp
from yolorknn.convert.toolkit.toolkit import toolkit_version
from yolorknn.data.calibration_set import CalibrationSet
from yolorknn.errors import BuildError, CalibrationError
from yolorknn.model import onnx_file
from yolorknn.model.metadata import Build
from yolorknn.model.platforms import get_platform
from yolorknn.progress import Progress
from yolorknn.scratch import temporary_folder
from yolorknn.tasks.known import metadata_of, task_of

_logger = logging.getLogger(__name__)


@contextmanager
def planned(
    request: BuildRequest, *, calibration: Calibration | None = None, progress: Progress | None = None
) -> Iterator[BuildPlan]:
    """Make a request ready, and yield its plan; the plan's files go after.

    Args:
        request: what to build.
        calibration: of a detector, what the request's dataset is as arrays, where builds share it.
        progress: told the stages.

    Raises:
        ModelError: the model is absent, broken, dynamic, or no detector; or the platform is unknown.
        CalibrationError: int8 without a dataset, one that cannot be read, or not the one that was recorded.
        BuildError: the options contradict each other.
        MissingDependencyError: rknn-toolkit2 is not installed.
    """
    with temporary_folder("build") as folder:
        if request.generic:
            yield _of_any(request, folder)
        else:
            yield _of_detector(request, folder, calibration, progress)


def _of_any(request: BuildRequest, scratch: Path) -> BuildPlan:
    """Plan the build of a generic model; the toolkit reads its calibration set itself."""
    dtype = request.decided()
    request.options.check(dtype, calibrated=request.dataset is not None)
    call, arguments = loader_of(request.model, request.options.load, scratch)
    return BuildPlan(
        platform=get_platform(request.platform).name,
        dtype=dtype,
        options=request.options,
        load=arguments,
        scratch=scratch,
        loader=call,
        calibration=listing(_path(request), scratch) if request.dataset else None,
    )


def _path(request: BuildRequest) -> Path:
    if not isinstance(request.dataset, Path):
        raise CalibrationError("a generic model is calibrated with files: give a folder of images or a list (.txt)")
    return request.dataset


def _of_detector(
    request: BuildRequest, scratch: Path, calibration: Calibration | None, progress: Progress | None
) -> BuildPlan:
    dtype, version = request.decided(), toolkit_version()
    request.options.check(dtype, calibrated=request.dataset is not None)
    options = request.options.settled("i8" if request.dataset is not None else "fp16")
    chip = get_platform(request.platform)
    if options.load:
        raise BuildError("[load] changes the model, so it is for generic models only: add --generic")
    model = onnx_file.read(request.model)
    stated = metadata_of(model, names=request.names)
    source = options.normalised(stated)
    trained = stated.mean, stated.std
    if (source.mean, source.std) != trained and (stated.source or "stride" in model.properties):
        _logger.warning(
            "%s was trained with mean %s and std %s, and finds little with the mean %s and std %s that are given",
            *(request.model, *map(_numbers, (*trained, source.mean, source.std))),
        )
    if dtype == "i8" and source.head == "decoded" and not source.normalized:
        raise BuildError(
            f"{request.model} in int8 would find nothing: coordinates in pixels and scores share one output, and so "
            "one scale; export the .pt with 'yolorknn export', or build with --dtype fp16"
        )
    given = str(request.dataset or "")
    if calibration is None and request.dataset is not None:
        canvas = task_of(source).canvas(source.imgsz)
        opened = CalibrationSet.open(request.dataset)
        given = str(opened.source)
        letterboxed = opened.write(scratch, canvas=canvas, colour=source.colour, progress=progress)
        calibration = Calibration(letterboxed)
    arrays = calibration.arrays if calibration else None
    how = Build(
        platform=chip.name,
        dtype=dtype,
        toolkit=version,
        algorithm=options.algorithm,
        method=options.method,
        dataset=given,
        images=arrays.images if arrays else 0,
        digest=arrays.digest if arrays else "",
        options=options.recorded(),
    )
    if request.recorded is not None and request.recorded.digest != how.digest:
        raise CalibrationError(
            f"{given} does not hold the {request.recorded.images} images that the .rknn was calibrated with: "
            "give that set, or the .onnx in place of the .rknn"
        )
    copy = scratch / "model.onnx"
    prepare(request.model, copy)
    if needs_repair(version):
        repair_attention(copy)
    return BuildPlan(
        platform=chip.name,
        dtype=dtype,
        options=options,
        load={"model": str(copy)},
        scratch=scratch,
        calibration=arrays.listing if arrays else None,
        observed=partial(
            calibration.observed, copy, mean=source.mean[: source.channels], std=source.std[: source.channels]
        )
        if calibration
        else None,
        custom_ops=(CustomOp(Path(cst_softmax.__file__), "CstSoftmax"),) if OP_TYPE in model.ops else (),
        metadata=replace(source, source=request.model.name, sha256=onnx_file.digest(request.model), build=how),
        outputs=model.outputs,
    )


def _numbers(values: Sequence[float]) -> str:
    return ",".join(f"{value:g}" for value in values)
