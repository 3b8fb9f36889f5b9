""".onnx -> .rknn, by rknn-toolkit2 in a child process."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from yolorknn.convert.alone import alone, check_example
from yolorknn.convert.analyze import analyze
from yolorknn.convert.plugin.write import write_plugins
from yolorknn.convert.recipe.build_options import BuildOptions
from yolorknn.convert.recipe.calibration import Calibration
from yolorknn.convert.recipe.generic import LOADERS, format_of
from yolorknn.convert.recipe.plan import BuildPlan
from yolorknn.convert.recipe.planned import planned
from yolorknn.convert.recipe.request import BuildRequest
from yolorknn.convert.recipe.steps import built
from yolorknn.convert.tables.layers import lossy
from yolorknn.convert.toolkit.log import Log
from yolorknn.convert.toolkit.toolkit import Toolkit
from yolorknn.data.calibration_set import CalibrationSet
from yolorknn.errors import BuildError
from yolorknn.files import atomic_folder, check_folder, write_bytes
from yolorknn.model import rknn_file
from yolorknn.model.anchor_sizes import given_anchors
from yolorknn.model.class_names import given_names
from yolorknn.model.generic import GenericMetadata
from yolorknn.model.metadata import ModelMetadata
from yolorknn.model.packing import GENERIC, pack, pack_beside, pack_generic
from yolorknn.model.platforms import Dtype, get_platform
from yolorknn.progress import Progress
from yolorknn.tasks.known import check_outputs_of


def build(
    model: str | Path,
    *,
    platform: str = "rk3588",
    dtype: Dtype | None = None,
    dataset: str | Path | int | Iterable[NDArray[Any]] | None = None,
    names: Sequence[str] | Mapping[int, str] | None = None,
    anchors: str | Path | Sequence[float] | None = None,
    options: BuildOptions | None = None,
    float16_below: float | None = None,
    generic: bool = False,
    encrypt: int = 0,
    codegen: bool = False,
    toolkit: str | None = None,
    sha256: str | None = None,
    output: str | Path | None = None,
    progress: Progress | None = None,
) -> Path:
    """Build NAME-PLATFORM-DTYPE.rknn, with its metadata inside; the vendor's output goes to a .log beside it.

    Args:
        model: an .onnx made by yolorknn, or one whose head can be recognised from its tensors; or a model of another
            format (convert.recipe.generic.LOADERS), which is always generic.
        platform: the chip, as `rk3588`.
        dtype: "i8" needs a dataset; default is "i8" with one and "fp16" without.
        dataset: calibration set: a folder, a list (.txt), a data.yaml, or what Detector.stream() takes: a video, glob,
            camera, stream or iterable of images.
        names: class names for an ONNX without metadata.
        anchors: sizes of anchor boxes, for an ONNX of YOLOv5 or YOLOv7 that does not say them; see Detector.
        options: the vendor's options; default is BuildOptions().
        float16_below: also keep in float16 the layers whose cosine with the float model's, each fed the
            float model's input, is below this, 0 to 1; analyze() is run first to find them, and their names are kept.
        generic: take the model as it is, as no detector: no metadata, no letterboxing, mean and std from the options.
        encrypt: 1 to 3 writes NAME.crypt.rknn too, which only the NPU's runtime reads; 3 is the strongest.
        codegen: write the vendor's C++ example too, in the folder NAME-cpp.
        toolkit: version of the rknn-toolkit2 to build with, as `2.5.0`; default is the one beside yolorknn, or else
            the newest that `yolorknn toolkit install` made an environment for.
        sha256: the digest that the model must have, as it had when it was written; default is any.
        output: folder; default is the model's.
        progress: told the stages.

    Returns:
        Path of the .rknn.

    Raises:
        ModelError: the ONNX is absent, broken, dynamic, no detector, or of another digest; or the platform is unknown.
        CalibrationError: int8 without a dataset, or one that cannot be read.
        BuildError: rknn-toolkit2 failed (the log is named), the options contradict each other, or another build writes
            the same files.
        MissingDependencyError: that rknn-toolkit2 is not installed.
        OutputError: the folder cannot be written.
    """
    path, given = Path(model), _given(dataset)
    any_kind = generic or format_of(path) in LOADERS.keys() - {".onnx"}
    sizes, chosen = given_anchors(anchors), options or BuildOptions()
    request = BuildRequest(
        path, platform, dtype, given, given_names(names), sizes, chosen, any_kind, toolkit, sha256=sha256
    )
    folder = None if output is None else Path(output)
    outcome = Outcome.of(request, folder, encrypt=encrypt, codegen=codegen)
    if float16_below is not None:
        _check_below(float16_below, request)
    if any_kind and (names is not None or anchors is not None):
        what = "names are a detector's classes" if names is not None else "anchors are a detector's anchor boxes"
        raise BuildError(f"{what}, and a generic model has none: leave them out")
    if float16_below is not None:
        errors = analyze(request, progress=progress).errors
        float16 = (*request.options.float16, *lossy(errors, below=float16_below))
        request = replace(request, options=replace(request.options, float16=float16))
    return build_as(request, outcome, progress=progress)


def _given(dataset: str | Path | int | Iterable[NDArray[Any]] | None) -> Path | CalibrationSet | None:
    if dataset is None or isinstance(dataset, Path):
        return dataset
    if isinstance(dataset, (str, int)):
        return Path(f"camera{dataset}" if isinstance(dataset, int) else dataset)
    return CalibrationSet.of(dataset)


def build_as(
    request: BuildRequest,
    outcome: Outcome,
    *,
    calibration: Calibration | None = None,
    accuracy: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
) -> Path:
    """Build what is requested; see build().

    Args:
        request: what to build.
        outcome: what to write.
        calibration: what the request's dataset is as arrays, where builds share it.
        accuracy: what the recipe measured, to be kept in the metadata.
        progress: told the stages.
    """
    with planned(request, calibration=calibration, progress=progress) as plan:
        metadata = plan.metadata
        if metadata is not None:
            metadata = metadata.measured(accuracy) if accuracy else metadata
            metadata = replace(metadata, source=os.path.relpath(request.model, outcome.target.parent))
        generic = plan.generic
        if generic is not None:
            source = os.path.relpath(request.model, outcome.target.parent)
            generic = replace(generic, source=source, build=replace(generic.build, accuracy=accuracy or {}))
        _make(plan, metadata or generic, outcome, progress)
    return outcome.target


def _check_below(cosine: float, request: BuildRequest) -> None:
    if request.decided() != "i8" or request.dataset is None:
        raise BuildError("float16_below is for int8, on a calibration image: pass --dataset, and not --dtype fp16")
    if not 0 < cosine <= 1:
        raise BuildError(f"float16_below {cosine:g} is not a cosine: give one above 0, up to 1, as 0.99")
    if request.options.auto_hybrid:
        raise BuildError("auto_hybrid chooses the float16 layers itself: leave out float16_below")


@dataclass(frozen=True)
class Outcome:
    """What a build is to write."""

    target: Path
    """The .rknn; its log and what else comes of it have their names from it."""
    encrypt: int = 0
    """Level of the encrypted model, 1 to 3; 0 for none."""
    example: Path | None = None
    """Folder for the vendor's C++ example."""
    listing: bytes | None = None
    """The calibration set's list, beside the model: an earlier one stays with the model that it is of."""

    @classmethod
    def of(
        cls, request: BuildRequest, folder: Path | None = None, *, encrypt: int = 0, codegen: bool = False
    ) -> Outcome:
        """Return what build() writes; see there.

        Raises:
            BuildError: encryption has no such level, or the platform cannot run the dtype.
            ModelError: the platform is unknown.
            CalibrationError: the dtype and the calibration set contradict each other.
        """
        if encrypt not in range(4):
            raise BuildError(f"encryption level {encrypt} is not 1, 2 or 3")
        label = request.options.config.get("quantized_dtype", request.decided())
        name = f"{request.model.stem}-{get_platform(request.platform).name}-{label}"
        folder = request.model.parent if folder is None else folder
        return cls(folder / f"{name}.rknn", encrypt, folder / f"{name}-cpp" if codegen else None)


def _make(
    plan: BuildPlan, metadata: ModelMetadata | GenericMetadata | None, outcome: Outcome, progress: Progress | None
) -> None:
    """Build, check what was made, and only then put it into place."""
    target, encrypt, example = outcome.target, outcome.encrypt, outcome.example
    check_folder(target.parent)
    if example:
        check_example(example)
    made, locked, code = plan.scratch / "model.rknn", plan.scratch / "model.crypt.rknn", plan.scratch / "cpp"
    assert metadata is not None, "of either kind"
    generic = isinstance(metadata, GenericMetadata)
    packed = pack_generic(metadata) if isinstance(metadata, GenericMetadata) else pack(metadata)
    custom_string = packed or (GENERIC if generic else pack_beside(metadata.to_json()))
    log = Log(target.with_suffix(".log"))
    with alone(target), Toolkit(log, python=plan.toolkit.python, progress=progress) as toolkit:
        rknn = built(toolkit, plan, custom_string=custom_string)
        rknn.do("export_rknn", export_path=made)
        if encrypt:
            rknn.do("export_encrypted_rknn_model", input_model=made, output_model=locked, crypt_level=encrypt)
        if example:
            rknn.do("codegen", output_path=code)
        toolkit.check()
        toolkit.check_written(made)
        _check(made, metadata, embedded=packed is not None)
        if encrypt:
            toolkit.check_written(locked, "encrypted model")
        if example:
            _copy_folder(code, example)
        if plan.build.custom_ops:
            write_plugins(plan.build.custom_ops, Path(plan.load["model"]), target.parent)
        if packed is None:
            write_bytes(target.with_suffix(".json"), metadata.to_json().encode())
        if encrypt:
            write_bytes(target.with_suffix(".crypt.rknn"), locked.read_bytes())
        if outcome.listing is not None:
            write_bytes(listing_of(target), outcome.listing)
        write_bytes(target, made.read_bytes())
        target.with_suffix(".accuracy.json").unlink(missing_ok=True)  # of the model that was here; the gate writes anew


def listing_of(target: Path) -> Path:
    """Return where the list of a model's calibration images is, where yolorknn chose them."""
    return target.with_suffix(".calibration.txt")


def _copy_folder(folder: Path, target: Path) -> None:
    with atomic_folder(target) as temporary:
        shutil.copytree(folder, temporary, dirs_exist_ok=True)


def _check(made: Path, metadata: ModelMetadata | GenericMetadata, *, embedded: bool) -> None:
    """Read back what the toolkit wrote."""
    file = rknn_file.read(made)
    if embedded and file.recorded() != metadata:
        raise BuildError("rknn-toolkit2 did not keep the model's metadata")
    if isinstance(metadata, ModelMetadata):
        check_outputs_of(metadata, file.outputs, where=made.name)
