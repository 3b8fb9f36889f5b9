"""A request made ready: the model read and copied, the calibration set letterboxed, as one BuildPlan."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from yolorknn.convert.recipe.calibration import Calibration
from yolorknn.convert.recipe.generic import (
    check_closed,
    check_types,
    checked_digest,
    format_of,
    loaded_inputs,
    loader_of,
)
from yolorknn.convert.recipe.joint import check_keypoints, with_own_float16
from yolorknn.convert.recipe.listing import listing
from yolorknn.convert.recipe.normal import check_normal, sized
from yolorknn.convert.recipe.own_ops import own_ops, registered
from yolorknn.convert.recipe.plan import BuildPlan
from yolorknn.convert.recipe.preflight import findings
from yolorknn.convert.recipe.prepared import prepare
from yolorknn.convert.recipe.recorded import check_calibrated_alike
from yolorknn.convert.recipe.repair import needs_repair, repair_attention
from yolorknn.convert.recipe.request import BuildRequest
from yolorknn.data.calibration_set import CalibrationSet
from yolorknn.errors import BuildError, CalibrationError
from yolorknn.model import onnx_file
from yolorknn.model.generic import GenericMetadata
from yolorknn.model.interface import interface_of
from yolorknn.model.metadata import Build, ModelMetadata
from yolorknn.model.platforms import get_platform
from yolorknn.progress import Progress, tell_once
from yolorknn.scratch import temporary_folder
from yolorknn.tasks.known import metadata_of, task_of
from yolorknn.tasks.objectness import has_objectness
from yolorknn.toolkits.installed import choose

PLACES = frozenset({"box", "keypoints", "visibility", "mask", "proto", "angle", "radians"})
"""Roles of outputs whose tensors keep their full range, see ranges.py."""

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
    dtype, toolkit = request.decided(), choose(request.toolkit)
    options = request.options
    options.check(dtype, calibrated=request.dataset is not None)
    if options.algorithm == "mean":
        raise BuildError("algorithm 'mean' is for detectors: give --algorithm normal, kl_divergence or mmse")
    file = onnx_file.read(request.model) if format_of(request.model) == ".onnx" else None
    known = file.ops if file else frozenset()
    inputs = loaded_inputs(file.inputs, options.load) if file else ()
    ops = own_ops(options.custom_ops, known, request.model)
    if file:
        check_closed(file, options)
        check_types(file, options)
    quantized = dtype == "i8" and request.dataset is not None
    call, arguments = loader_of(request.model, options.load, scratch, toolkit, quantized=quantized)
    check_normal(request.model, sized(options.load) if call == "load_pytorch" else inputs, options.config)
    if call == "load_onnx" and request.recorded is None:
        for finding in findings(onnx_file.load(Path(arguments["model"])), dtype):
            tell_once(f"{request.model}: {finding}")
    listed = listing(_path(request), scratch, inputs) if request.dataset else None
    how = Build(
        platform=get_platform(request.platform).name,
        dtype=dtype,
        toolkit=toolkit.version,
        algorithm="normal" if options.algorithm == "auto" else options.algorithm,
        method=options.method,
        dataset=str(request.dataset or ""),
        images=listed.rows if listed else 0,
        digest=listed.digest if listed else "",
        options=options.recorded(),
        custom_ops={op.op_type: op.recorded for op in ops},
    )
    check_calibrated_alike(request.recorded, how)
    return BuildPlan(
        platform=how.platform,
        dtype=dtype,
        options=options,
        load=arguments,
        scratch=scratch,
        toolkit=toolkit,
        loader=call,
        calibration=listed.path if listed else None,
        custom_ops=registered(known, ops),
        generic=GenericMetadata(request.model.name, checked_digest(request), how),
    )


def _path(request: BuildRequest) -> Path:
    if not isinstance(request.dataset, Path):
        raise CalibrationError("a generic model is calibrated with files: give a folder of images or a list (.txt)")
    return request.dataset


def _of_detector(
    request: BuildRequest, scratch: Path, calibration: Calibration | None, progress: Progress | None
) -> BuildPlan:
    dtype, toolkit = request.decided(), choose(request.toolkit)
    request.options.check(dtype, calibrated=request.dataset is not None)
    options = request.options.settled("i8" if request.dataset is not None else "fp16")
    chip = get_platform(request.platform)
    if options.load:
        raise BuildError("[load] changes the model, so it is for generic models only: add --generic")
    digest = checked_digest(request)
    model = onnx_file.read(request.model)
    ops = own_ops(options.custom_ops, model.ops, request.model)
    stated = metadata_of(model, names=request.names, anchors=request.anchors)
    source = options.normalised(stated)
    if request.dataset is not None:
        check_keypoints(options, source, request.model)
        options = with_own_float16(options, source, chip, by_default=request.options.algorithm == "auto")
    trained = stated.mean, stated.std
    if (source.mean, source.std) != trained and (stated.source or "stride" in model.properties):
        _logger.warning(
            "%s was trained with mean %s and std %s, and finds little with the mean %s and std %s that are given",
            *(request.model, *map(_numbers, (*trained, source.mean, source.std))),
        )
    if dtype == "i8":
        check_scales(request.model, source, quantized=request.quantized)
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
        toolkit=toolkit.version,
        algorithm=options.algorithm,
        method=options.method,
        dataset=given,
        images=arrays.images if arrays else 0,
        digest=arrays.digest if arrays else "",
        options=options.recorded(),
        custom_ops={op.op_type: op.recorded for op in ops},
    )
    check_calibrated_alike(request.recorded, how)
    copy = scratch / "model.onnx"
    prepare(request.model, copy, pictures=True)
    checked_digest(replace(request, sha256=digest))
    if needs_repair(toolkit.version):
        repair_attention(copy)
    return BuildPlan(
        platform=chip.name,
        dtype=dtype,
        options=options,
        load={"model": str(copy)},
        scratch=scratch,
        toolkit=toolkit,
        calibration=arrays.listing if arrays else None,
        observed=partial(
            calibration.observed,
            copy,
            mean=source.mean[: source.channels],
            std=source.std[: source.channels],
            places=[output.name for output in source.outputs if output.role in PLACES],
        )
        if calibration
        else None,
        custom_ops=registered(model.ops, ops),
        metadata=replace(source, source=request.model.name, sha256=digest, build=how),
        interface=interface_of(model),
    )


def check_scales(model: Path, metadata: ModelMetadata, *, quantized: bool = False) -> None:
    """Refuse a model of which 8 bits leave no scores.

    Args:
        model: its file.
        metadata: what it is.
        quantized: whether whoever made it quantized it, so that it is built in int8 only.

    Raises:
        BuildError: coordinates in pixels share an output with scores.
    """
    if metadata.head == "decoded" and not metadata.normalized:
        raise BuildError(
            f"{model} in int8 would find nothing: coordinates in pixels and scores share one output, and so "
            f"one scale; {_undecoded(metadata)}, or build {'the float model ' if quantized else ''}with --dtype fp16"
        )


def _undecoded(metadata: ModelMetadata) -> str:
    """Return how a model is exported whose boxes are decoded behind it."""
    if has_objectness(metadata):
        return "export it as Rockchip's fork of YOLOv5 does, before the boxes are decoded"
    return "export the .pt with 'yolorknn export'"


def _numbers(values: Sequence[float]) -> str:
    return ",".join(f"{value:g}" for value in values)
