""".onnx -> .rknn, by rknn-toolkit2 in a child process."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from yolorknn.convert.analyze import analyze
from yolorknn.convert.recipe.generic import LOADERS, prepared_generic
from yolorknn.convert.recipe.options import BuildOptions
from yolorknn.convert.recipe.prepared import choose_dtype, prepared
from yolorknn.convert.tables.layers import lossy
from yolorknn.convert.toolkit.child import Job
from yolorknn.convert.toolkit.toolkit import Toolkit
from yolorknn.errors import BuildError
from yolorknn.files import check_folder, write_bytes, writing
from yolorknn.model import rknn_file
from yolorknn.model.metadata import ModelMetadata
from yolorknn.model.packing import GENERIC, pack
from yolorknn.model.platforms import Dtype, get_platform
from yolorknn.progress import Progress
from yolorknn.tasks.known import check_outputs_of, metadata_of


def build(
    onnx: Path,
    *,
    platform: str = "rk3588",
    dtype: Dtype | None = None,
    dataset: Path | None = None,
    names: list[str] | None = None,
    options: BuildOptions | None = None,
    float16_below: float | None = None,
    generic: bool = False,
    encrypt: int = 0,
    codegen: bool = False,
    accuracy: Mapping[str, Any] | None = None,
    output: Path | None = None,
    progress: Progress | None = None,
) -> Path:
    """Build NAME-PLATFORM-DTYPE.rknn, with its metadata inside; the vendor's output goes to a .log beside it.

    Args:
        onnx: made by yolorknn, or one whose head can be recognised from its tensors; or a model of another format
            (convert.recipe.generic.LOADERS), which is always generic.
        platform: the chip, as `rk3588`.
        dtype: "i8" needs a dataset; default is "i8" with one and "fp16" without.
        dataset: calibration set: a folder, a list (.txt), a data.yaml, or a video.
        names: class names for an ONNX without metadata.
        options: the vendor's options; default is BuildOptions().
        float16_below: also keep in float16 the layers of a detector whose cosine with the float model's, each fed the
            float model's input, is below this, 0 to 1; analyze() is run first to find them, and their names are kept.
        generic: take the model as it is, as no detector: no metadata, no letterboxing, mean and std from the options.
        encrypt: 1 to 3 writes NAME.crypt.rknn too, which only the NPU's runtime reads; 3 is the strongest.
        codegen: write the vendor's C++ example too, in the folder NAME-cpp.
        accuracy: what the recipe measured, to be kept in the metadata.
        output: folder; default is the ONNX's.
        progress: told the stages.

    Returns:
        Path of the .rknn.

    Raises:
        ModelError: the ONNX is absent, broken, dynamic, or no detector; or the platform is unknown.
        CalibrationError: int8 without a dataset, or one that cannot be read.
        BuildError: rknn-toolkit2 failed (the log is named), the options contradict each other, or another build writes
            the same files.
        OutputError: the folder cannot be written.
    """
    if encrypt not in range(4):
        raise BuildError(f"encryption level {encrypt} is not 1, 2 or 3")
    kind = choose_dtype(platform, dtype, dataset)
    generic = generic or onnx.suffix.lower() in LOADERS.keys() - {".onnx"}
    if float16_below is not None:
        _check_below(float16_below, kind, options or BuildOptions(), generic=generic)
    folder = output or onnx.parent
    label = (options or BuildOptions()).config.get("quantized_dtype", kind)
    target = folder / f"{onnx.stem}-{get_platform(platform).name}-{label}.rknn"
    outcome = Outcome(target, encrypt, target.with_name(f"{target.stem}-cpp") if codegen else None)
    if generic:
        if names is not None:
            raise BuildError("names are a detector's classes, and a generic model has none: leave them out")
        with prepared_generic(onnx, platform=platform, dtype=kind, dataset=dataset, options=options) as (job, scratch):
            _make(job, scratch, None, outcome, progress)
    else:
        if float16_below is not None:
            options = options or BuildOptions()
            found = analyze(
                onnx, platform=platform, dtype=kind, dataset=dataset, names=names, options=options, progress=progress
            )
            options = replace(options, float16=(*options.float16, *lossy(found.errors, below=float16_below)))
        with prepared(
            onnx, platform=platform, dtype=kind, dataset=dataset, names=names, options=options, progress=progress
        ) as recipe:
            source = os.path.relpath(onnx, folder)
            metadata = replace(recipe.metadata.measured(accuracy) if accuracy else recipe.metadata, source=source)
            _make(recipe.job, recipe.scratch, metadata, outcome, progress)
    return target


def _check_below(cosine: float, dtype: Dtype, options: BuildOptions, *, generic: bool) -> None:
    if generic or dtype != "i8":
        raise BuildError(
            "float16_below is for detectors in int8: pass --dataset, and neither --generic nor --dtype fp16"
        )
    if not 0 < cosine <= 1:
        raise BuildError(f"float16_below {cosine:g} is not a cosine: give one above 0, up to 1, as 0.99")
    if options.auto_hybrid:
        raise BuildError("auto_hybrid chooses the float16 layers itself: leave out float16_below")


class Outcome(NamedTuple):
    """What a build is to write."""

    target: Path
    encrypt: int
    example: Path | None


def _make(job: Job, scratch: Path, metadata: ModelMetadata | None, outcome: Outcome, progress: Progress | None) -> None:
    """Run the job, check what it made, and only then put it into place."""
    target, encrypt, example = outcome
    check_folder(target.parent)
    if example and example.exists():
        raise BuildError(f"the C++ example would go to {example}, which exists: remove it or give another --output")
    made, locked, code = scratch / "model.rknn", scratch / "model.crypt.rknn", scratch / "cpp"
    custom_string = pack(metadata) if metadata else GENERIC
    job = replace(
        job,
        custom_string=custom_string,
        export=str(made),
        encrypted=str(locked) if encrypt else None,
        crypt_level=encrypt,
        codegen=str(code) if example else None,
    )
    with _alone(target), Toolkit(job, log=target.with_suffix(".log"), progress=progress):
        _check(made, metadata, embedded=custom_string is not None)
        if encrypt and not locked.is_file():
            raise BuildError("rknn-toolkit2 returned 0 but wrote no encrypted model: is the disk full?")
        if example:
            with writing(example):
                temporary = example.with_name(f".{example.name}.{os.getpid()}.tmp")
                try:
                    shutil.copytree(code, temporary)
                    temporary.rename(example)
                finally:
                    shutil.rmtree(temporary, ignore_errors=True)
        if metadata and custom_string is None:
            write_bytes(target.with_suffix(".json"), metadata.to_json().encode())
        if encrypt:
            write_bytes(target.with_suffix(".crypt.rknn"), locked.read_bytes())
        write_bytes(target, made.read_bytes())
        target.with_suffix(".accuracy.json").unlink(missing_ok=True)  # of the model that was here; the gate writes anew


@contextmanager
def _alone(target: Path) -> Iterator[None]:
    """Hold the target's log locked, so that one build at a time writes these files; a killed one lets go by itself."""
    log = target.with_suffix(".log")
    with writing(log):
        file = log.open("ab")
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BuildError(f"another build is writing {target}: wait for it, or give another --output") from None
        except OSError:  # a file system without locks
            pass
        yield


def _check(made: Path, metadata: ModelMetadata | None, *, embedded: bool) -> None:
    """Read back what the toolkit wrote, which returns 0 also when the disk is full."""
    if not made.is_file():
        raise BuildError("rknn-toolkit2 returned 0 but wrote no model: is the disk full?")
    file = rknn_file.read(made)
    if metadata is None:
        return
    if embedded and metadata_of(file) != metadata:
        raise BuildError("rknn-toolkit2 did not keep the model's metadata")
    check_outputs_of(metadata, file.outputs, where=made.name)
