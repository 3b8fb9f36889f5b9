"""Where a quantized model loses accuracy and time, by layer: rknn-toolkit2's own analysis and build log, parsed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from yolorknn.convert.recipe.calibration import Calibration
from yolorknn.convert.recipe.plan import BuildPlan
from yolorknn.convert.recipe.planned import planned
from yolorknn.convert.recipe.recorded import repeated
from yolorknn.convert.recipe.request import BuildRequest
from yolorknn.convert.recipe.steps import built
from yolorknn.convert.tables.analysis import Analysis
from yolorknn.convert.tables.estimate import estimate
from yolorknn.convert.tables.layers import Layer, LayerError, parse_errors, parse_layers
from yolorknn.convert.toolkit.log import temporary_log
from yolorknn.convert.toolkit.toolkit import Toolkit
from yolorknn.errors import BuildError, CalibrationError
from yolorknn.files import writing
from yolorknn.image import Image, as_seen, read_image
from yolorknn.model.metadata import ModelMetadata
from yolorknn.progress import Progress
from yolorknn.tasks.known import task_of

DUMPS = "analysis"
"""Folder for the vendor's dumps, in the toolkit's scratch folder."""


def analyze(
    request: BuildRequest,
    *,
    image: Path | None = None,
    calibration: Calibration | None = None,
    progress: Progress | None = None,
) -> Analysis:
    """Build a model as `build` does, compare each layer with the float model's on one image, and read the build log.

    The vendor dumps every tensor as text, 1.2 GB for an input of 640x640; the dumps go as soon as they are read.

    Args:
        request: of a detector; for a .rknn, the build that it records is repeated.
        image: any image file; default is the first calibration image.
        calibration: what the request's dataset is as arrays, where builds share it.
        progress: told the stages.

    Raises:
        ModelError: the file is absent or broken, or a .rknn's .onnx is not beside it.
        CalibrationError: the calibration set is absent or broken, or there is neither it nor an image.
        SourceError: the image cannot be read.
        BuildError: rknn-toolkit2 failed, or printed what cannot be parsed; the log is named.
    """
    shown = read_image(image) if image is not None else None
    with planned(repeated(request), calibration=calibration, progress=progress) as plan:
        assert plan.metadata is not None and plan.metadata.build is not None, "it is no generic model"
        if shown is not None:
            array = plan.scratch / "image.npy"
            with writing(array):
                np.save(array, _input(shown, plan.metadata))
        elif plan.calibration is not None:
            array = plan.calibration.with_name(plan.calibration.read_text(encoding="utf-8").splitlines()[0])
        else:
            raise CalibrationError(
                "the model is built without calibration images, of which one is compared on: pass --image"
            )
        layers, errors = _compare(plan, array, progress)
    build = plan.metadata.build
    return Analysis(
        model=str(request.model),
        platform=build.platform,
        dtype=build.dtype,
        toolkit=build.toolkit,
        image=str(image) if image is not None else f"the first of {build.dataset}",
        errors=tuple(errors),
        layers=tuple(layers),
        estimate=estimate(layers, build.platform),
    )


def _input(image: Image, metadata: ModelMetadata) -> NDArray[np.uint8]:
    """Lay an image into the model's input as the detector does, as the (1, C, H, W) that rknn-toolkit2 reads."""
    canvas = task_of(metadata).canvas(metadata.imgsz)
    canvas.fill(image)
    return np.ascontiguousarray(as_seen(canvas.pixels, metadata.colour).transpose(2, 0, 1)[None])


def _compare(plan: BuildPlan, array: Path, progress: Progress | None) -> tuple[list[Layer], list[LayerError]]:
    with temporary_log("analyze") as log, Toolkit(log, progress=progress) as toolkit:
        rknn = built(toolkit, plan, verbose=True)
        rknn.do("accuracy_analysis", inputs=[array], output_dir=DUMPS)
        toolkit.check()
        try:
            compared = (toolkit.scratch / DUMPS / "error_analysis.txt").read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as exc:
            raise toolkit.failed(f"it returned 0 but left no readable result ({exc})") from exc
        try:
            return parse_layers(log.text()), parse_errors(compared)
        except BuildError as exc:
            raise BuildError(f"{exc} {log.name()}") from exc
