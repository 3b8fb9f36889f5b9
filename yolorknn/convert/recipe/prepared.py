"""What a build, its simulation and its analysis share: a recipe, ready to be given to the toolkit."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from yolorknn.convert.export.custom_op import OP_TYPE
from yolorknn.convert.recipe.options import BuildOptions
from yolorknn.convert.recipe.repair import needs_repair, repair_attention
from yolorknn.convert.toolkit.child import Job
from yolorknn.convert.toolkit.toolkit import toolkit_version
from yolorknn.data.calibration_set import CalibrationSet
from yolorknn.errors import BuildError, CalibrationError
from yolorknn.files import sha256, writing
from yolorknn.model import onnx_file
from yolorknn.model.metadata import Build, ModelMetadata, Tensor
from yolorknn.model.platforms import Dtype, get_platform
from yolorknn.progress import Progress
from yolorknn.tasks.known import metadata_of, task_of


@dataclass(frozen=True)
class Prepared:
    """What a build and its simulation share, so that one shows what the other does."""

    job: Job
    metadata: ModelMetadata
    """Of the .rknn to be."""
    outputs: Sequence[Tensor]
    """Of the model, as the ONNX states them."""
    scratch: Path


@contextmanager
def prepared(
    onnx: Path,
    *,
    platform: str,
    dtype: Dtype,
    dataset: Path | None,
    names: list[str] | None = None,
    options: BuildOptions | None = None,
    progress: Progress | None = None,
) -> Iterator[Prepared]:
    """Read the ONNX, letterbox the calibration set into a scratch folder, and yield the job; the folder goes after."""
    version = toolkit_version()
    options = options or BuildOptions()
    options.check(dtype)
    options = options.settled(dtype)
    chip = get_platform(platform)
    if options.load:
        raise BuildError("[load] changes the model, so it is for generic models only: add --generic")
    model = onnx_file.read(onnx)
    source = options.normalised(metadata_of(model, names=names))
    if dtype == "i8" and source.head == "decoded" and not source.normalized:
        raise BuildError(
            f"{onnx} in int8 would find nothing: coordinates in pixels and scores share one output, and so one scale; "
            "export the .pt with 'yolorknn export', or build with --dtype fp16"
        )
    calibration = CalibrationSet.open(dataset) if dataset is not None else None
    with tempfile.TemporaryDirectory(prefix="yolorknn-build-") as folder:
        scratch = Path(folder)
        listing, images, digest = None, 0, ""
        if calibration is not None:
            listing, images, digest = calibration.write(
                scratch, canvas=task_of(source).canvas(source.imgsz), progress=progress
            )
        how = Build(
            platform=chip.name,
            dtype=dtype,
            toolkit=version,
            algorithm=options.algorithm,
            method=options.method,
            dataset=str(dataset or ""),
            images=images,
            digest=digest,
            options=options.recorded(),
        )
        plain = scratch / "model.onnx"  # the vendor's code never sees the user's path, whatever is in it
        with writing(plain):
            shutil.copyfile(onnx, plain)
        if needs_repair(version):
            repair_attention(plain)
        job = Job(
            onnx=str(plain),
            platform=chip.name,
            dtype=dtype,
            mean=source.mean,
            std=source.std,
            dataset=str(listing) if listing else None,
            options=options,
            custom_softmax=OP_TYPE in model.ops,
        )
        metadata = replace(source, source=onnx.name, sha256=sha256(onnx), build=how)
        yield Prepared(job, metadata, model.outputs, scratch)


def choose_dtype(platform: str, dtype: Dtype | None, dataset: Path | None) -> Dtype:
    """Return the dtype to build: int8 with a calibration set, else fp16.

    Raises:
        ModelError: unknown platform.
        CalibrationError: int8 without a dataset.
        BuildError: the platform cannot run the dtype.
    """
    chip = get_platform(platform)
    chosen: Dtype = dtype or ("i8" if dataset is not None else "fp16")
    if chosen not in chip.dtypes:
        only = chip.dtypes[0]
        hint = "pass --dataset with some hundred typical images" if only == "i8" else "leave --dataset out"
        raise BuildError(f"{chip.name} runs {only} models only, not {chosen}: {hint}")
    if chosen == "i8" and dataset is None:
        raise CalibrationError(
            "int8 needs a calibration set, to measure the range of every layer's values: "
            "pass --dataset with 50 to 200 typical images (a folder, a list, a data.yaml or a video), or --dtype fp16"
        )
    if chosen == "fp16" and dataset is not None:
        raise CalibrationError("fp16 is not quantized and takes no calibration set: leave out --dataset, or build i8")
    return chosen
