"""Where a quantized model loses accuracy and time, by layer: rknn-toolkit2's own analysis and build log, parsed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from yolorknn.convert.recipe.calibration import Calibration
from yolorknn.convert.recipe.plan import BuildPlan
from yolorknn.convert.recipe.planned import planned
from yolorknn.convert.recipe.recorded import repeated
from yolorknn.convert.recipe.request import BuildRequest
from yolorknn.convert.recipe.steps import built, interface_of_built
from yolorknn.convert.tables.analysis import Analysis
from yolorknn.convert.tables.estimate import estimate, on_npu
from yolorknn.convert.tables.layers import Layer, LayerError, parse_errors, parse_layers
from yolorknn.convert.tables.off_the_npu import compiler_said, on_cpu
from yolorknn.convert.toolkit.log import temporary_log
from yolorknn.convert.toolkit.toolkit import Rknn, Toolkit
from yolorknn.data.input_files import Scaling, laid_picture, read_inputs
from yolorknn.errors import BuildError, CalibrationError
from yolorknn.files import writing
from yolorknn.image import read_image
from yolorknn.progress import Progress
from yolorknn.runtime.laid import all_laid

DUMPS = "analysis"
"""Folder for the vendor's dumps, in the toolkit's scratch folder."""


def analyze(
    request: BuildRequest,
    *,
    image: Path | None = None,
    inputs: Sequence[str] = (),
    scaling: Scaling | None = None,
    calibration: Calibration | None = None,
    progress: Progress | None = None,
) -> Analysis:
    """Build a model as `build` does, compare each layer with the float model's on one image, and read the build log.

    The vendor dumps every tensor as text, 1.2 GB for an input of 640x640; the dumps go as soon as they are read.

    Args:
        request: what to build; for a .rknn, the build that it records is repeated.
        image: of a detector, any image file; default is the first calibration image.
        inputs: files that the layers are compared on in place of that, see data.input_files; default is the first of
            the calibration set. Of a generic model without either, the layers are listed and none is compared.
        scaling: of pictures among these.
        calibration: what the request's dataset is as arrays, where builds share it.
        progress: told the stages.

    Raises:
        ModelError: the file is absent or broken, or a .rknn's .onnx is not beside it.
        CalibrationError: the calibration set is absent or broken, or there is neither it nor a detector's image.
        SourceError: the image or an input cannot be read.
        InputError: the inputs are not the model's.
        BuildError: rknn-toolkit2 failed, or printed what cannot be parsed; the log is named.
    """
    shown = read_image(image) if image is not None else None
    with planned(repeated(request), calibration=calibration, progress=progress) as plan:
        build = plan.build
        texts = [str(image)] if image is not None and plan.generic else list(inputs)
        if plan.metadata is not None and shown is not None:
            arrays = [_written(plan, "image", laid_picture(shown, plan.metadata))]
        else:
            arrays = [] if texts else _first_calibrated(plan)
        if plan.metadata is not None and not arrays and not texts:
            raise CalibrationError(
                "the model is built without calibration images, of which one is compared on: pass --image"
            )
        compared = _compare(plan, arrays, partial(_given, plan, texts, scaling) if texts else None, progress)
        layers, errors, said = compared
    shown_on = str(image) if image is not None else ", ".join(inputs)
    return Analysis(
        model=str(request.model),
        platform=build.platform,
        dtype=build.dtype,
        toolkit=build.toolkit,
        image=shown_on or (f"the first of {build.dataset}" if errors else ""),
        errors=tuple(errors),
        layers=tuple(layers),
        estimate=estimate(layers, build.platform) if on_npu(layers) else None,
        off_the_npu=tuple(on_cpu(layers, build.platform)),
        said=tuple(said),
    )


def _first_calibrated(plan: BuildPlan) -> list[Path]:
    """Return the files of the first line of the calibration set, an input each."""
    if plan.calibration is None:
        return []
    first = plan.calibration.read_text(encoding="utf-8").splitlines()[0]
    return [plan.calibration.parent / name for name in first.split()]


def _given(plan: BuildPlan, texts: Sequence[str], scaling: Scaling | None, rknn: Rknn) -> list[Path]:
    """Return files of the arrays that are given for the inputs, in the layout that the toolkit reads."""
    own = interface_of_built(rknn, plan).inputs
    found = all_laid(read_inputs(texts, own, scaling=scaling), own, {tensor.name: tensor for tensor in own})
    return [_written(plan, f"input{number}", found[tensor.name]) for number, tensor in enumerate(own)]


def _written(plan: BuildPlan, name: str, array: NDArray[Any]) -> Path:
    path = plan.scratch / f"{name}.npy"
    with writing(path):
        np.save(path, array)
    return path


def _compare(
    plan: BuildPlan, arrays: list[Path], given: Callable[[Rknn], list[Path]] | None, progress: Progress | None
) -> tuple[list[Layer], list[LayerError], list[str]]:
    """Build, compare on arrays where there are any, and return layers, errors and what the compiler said of the CPU."""
    with temporary_log("analyze") as log, Toolkit(log, python=plan.toolkit.python, progress=progress) as toolkit:
        rknn = built(toolkit, plan, verbose=True)
        if given is not None:
            arrays = given(rknn)
        if not arrays:
            toolkit.check()
            try:
                return parse_layers(log.text()), [], compiler_said(log.text())
            except BuildError as exc:
                raise BuildError(f"{exc} {log.name()}") from exc
        rknn.do("accuracy_analysis", inputs=arrays, output_dir=DUMPS)
        toolkit.check()
        try:
            compared = (toolkit.scratch / DUMPS / "error_analysis.txt").read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as exc:
            raise toolkit.failed(f"it returned 0 but left no readable result ({exc})") from exc
        try:
            return parse_layers(log.text()), parse_errors(compared), compiler_said(log.text())
        except BuildError as exc:
            raise BuildError(f"{exc} {log.name()}") from exc
