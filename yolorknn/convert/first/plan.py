"""A detector made ready for rknn-toolkit 1.7: what it refuses is said before, and what it wants is made."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from yolorknn.convert.export.custom_op import OP_TYPE
from yolorknn.convert.recipe.build_options import BuildOptions
from yolorknn.convert.recipe.generic import same_digest
from yolorknn.convert.recipe.joint import check_keypoints, tell_joint
from yolorknn.convert.recipe.planned import check_scales
from yolorknn.convert.recipe.prepared import prepare
from yolorknn.convert.recipe.recorded import check_calibrated_alike
from yolorknn.convert.recipe.request import check_calibrated
from yolorknn.data.calibration_set import CalibrationSet, Letterboxed
from yolorknn.errors import BuildError, ModelError
from yolorknn.files import writing
from yolorknn.model import onnx_file
from yolorknn.model.anchor_sizes import AnchorSizes
from yolorknn.model.metadata import Build, ModelMetadata
from yolorknn.model.platforms import FIRST_GENERATION, Dtype
from yolorknn.progress import Progress
from yolorknn.scratch import temporary_folder
from yolorknn.tasks.known import metadata_of, task_of
from yolorknn.toolkits.first import FirstToolkit

OPSET, IR = 12, 8
"""The newest that the onnx 1.10 beside it reads."""
QUANTIZED = "asymmetric_quantized-u8"
LABELS: dict[Dtype, str] = {"i8": "u8", "fp16": "fp16"}
"""What a file's name says of its numbers: eight bits are unsigned there."""
BATCH = 100
"""Images that are calibrated with at a time, the vendor's default; fewer images are one batch."""


@dataclass(frozen=True)
class FirstRequest:
    """A model, the chip to build it for, and how."""

    model: Path
    platform: str
    dtype: Dtype | None = None
    """"i8" stands for the eight bits that the chip has, u8. None: those with a dataset, else fp16."""
    dataset: Path | CalibrationSet | None = None
    names: Sequence[str] | None = None
    anchors: AnchorSizes | None = None
    options: BuildOptions = field(default_factory=BuildOptions)
    recorded: Build | None = None
    """Of a build that is repeated, what is recorded of it: the calibration set must be the same."""
    sha256: str | None = None
    """The digest that the model must have; None for any."""

    def decided(self) -> Dtype:
        """Return the dtype to build.

        Raises:
            ModelError: no chip of the first generation.
            CalibrationError: eight bits without a dataset, or fp16 with one.
        """
        if self.platform not in FIRST_GENERATION:
            raise ModelError(
                f"'{self.platform}' has no NPU of the first generation: {', '.join(FIRST_GENERATION)} have"
            )
        dtype: Dtype = self.dtype or ("fp16" if self.dataset is None else "i8")
        check_calibrated(dtype, self.dataset)
        return dtype


@dataclass(frozen=True)
class FirstPlan:
    """A build made ready; what is in `scratch` goes with it."""

    scratch: Path
    model: Path
    metadata: ModelMetadata
    """Of the .rknn to be."""
    calibration: Path | None
    """The list of pictures that the toolkit reads."""

    def configuration(self) -> dict[str, Any]:
        """Return the arguments of RKNN.config()."""
        metadata, build = self.metadata, self.metadata.build
        assert build is not None
        count = metadata.channels
        settings: dict[str, Any] = {
            "target_platform": [build.platform],  # a list, even of one
            "mean_values": [list(metadata.mean[:count])],
            "std_values": [list(metadata.std[:count])],
            "reorder_channel": " ".join(map(str, range(count))),
            "optimization_level": build.options.get("optimization_level", 3),
        }
        if self.calibration is not None:
            settings |= {
                "quantized_dtype": QUANTIZED,
                "quantized_algorithm": build.algorithm,
                "batch_size": min(build.images, BATCH),
            }
        return settings


@contextmanager
def first_planned(
    request: FirstRequest, toolkit: FirstToolkit, *, progress: Progress | None = None
) -> Iterator[FirstPlan]:
    """Make a request ready, and yield its plan.

    Raises:
        ModelError: the model is absent, broken, dynamic, no detector, or another than was meant.
        CalibrationError: see FirstRequest.decided; or the set cannot be read, or is not the one of the build repeated.
        BuildError: this toolkit cannot build it, or an option is for later chips.
    """
    dtype = request.decided()
    model = onnx_file.read(request.model)
    sha256 = same_digest(request.model, request.sha256)
    stated = request.options.normalised(metadata_of(model, names=request.names, anchors=request.anchors))
    _check(request, dtype, stated, model.ops)
    with temporary_folder("build") as scratch:
        copy = scratch / "model.onnx"
        prepare(request.model, copy, pictures=True, highest=OPSET, newest=IR)
        same_digest(request.model, sha256)
        calibrating = None if request.dataset is None else CalibrationSet.open(request.dataset)
        pictures = calibrating and _pictures(calibrating, stated, scratch, progress)
        build = Build(
            platform=request.platform,
            dtype=dtype,
            toolkit=toolkit.version,
            algorithm="normal" if request.options.algorithm == "auto" else request.options.algorithm,
            dataset=str(calibrating.source) if calibrating else "",
            images=pictures.images if pictures else 0,
            digest=pictures.digest if pictures else "",
            options=request.options.recorded(),
        )
        check_calibrated_alike(request.recorded, build)
        metadata = replace(stated, source=request.model.name, sha256=sha256, build=build)
        yield FirstPlan(scratch, copy, metadata, pictures.listing if pictures else None)


def _check(request: FirstRequest, dtype: Dtype, metadata: ModelMetadata, ops: Sequence[str] | frozenset[str]) -> None:
    options = request.options
    plain = replace(options, optimization_level=3, config={}, algorithm="auto")
    if plain != BuildOptions():
        changed = ", ".join(plain.recorded()) or "--method"
        raise BuildError(f"{changed} is for chips of the second generation: leave it out for {request.platform}")
    if rest := options.config.keys() - {"mean_values", "std_values"}:
        raise BuildError(f"[config] {min(rest)} is for chips of the second generation: leave it out")
    if options.algorithm not in ("auto", "normal", "mmse", "kl_divergence"):
        raise BuildError(f"algorithm '{options.algorithm}' is for chips of the second generation: give normal or mmse")
    if options.optimization_level not in range(4):
        raise BuildError(f"optimization_level {options.optimization_level} is not 0, 1, 2 or 3")
    if OP_TYPE in ops:
        raise BuildError(f"{request.model} has the custom op cstSoftmax: export it without --custom-softmax")
    if dtype == "i8":
        check_scales(request.model, metadata)
        check_keypoints(options, metadata, request.model, first=True)
        tell_joint(metadata, "in eight bits these chips run")
    if dtype == "i8" and metadata.channels != 3:
        raise BuildError(
            f"{request.model} takes grey pictures, and how rknn-toolkit 1.7 calibrates with such is not documented: "
            "build it with --dtype fp16"
        )


def _pictures(
    dataset: CalibrationSet, metadata: ModelMetadata, scratch: Path, progress: Progress | None
) -> Letterboxed:
    """Write the calibration images as pictures: in what layout the toolkit reads an .npy is not documented."""
    arrays = scratch / "arrays"
    arrays.mkdir()
    canvas = task_of(metadata).canvas(metadata.imgsz)
    letterboxed = dataset.write(arrays, canvas=canvas, colour=metadata.colour, progress=progress)
    names = []
    for array in sorted(arrays.glob("*.npy")):
        pixels = np.load(array, allow_pickle=False)[0].transpose(1, 2, 0)
        names.append(f"{array.stem}.png")
        with writing(scratch / names[-1]):
            # OpenCV writes BGR, and the toolkit reads RGB
            (scratch / names[-1]).write_bytes(
                cv2.imencode(".png", np.ascontiguousarray(pixels[..., ::-1]))[1].tobytes()
            )
        array.unlink()
    listing = scratch / "dataset.txt"
    with writing(listing):
        listing.write_text("".join(f"{scratch / name}\n" for name in names))
    return letterboxed._replace(listing=listing)
