"""The recipe of a model file: of an .onnx what the caller asks for, of a .rknn what it was built with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from yolorknn.convert.recipe.options import BuildOptions
from yolorknn.convert.recipe.prepared import Prepared, choose_dtype, prepared
from yolorknn.errors import CalibrationError, ModelError
from yolorknn.files import sha256
from yolorknn.model import rknn_file
from yolorknn.model.fit import check_fit
from yolorknn.model.metadata import Build
from yolorknn.model.platforms import Dtype
from yolorknn.progress import Progress
from yolorknn.tasks.known import metadata_of


@contextmanager
def recipe_of(
    path: Path,
    *,
    platform: str = "rk3588",
    dtype: Dtype | None = None,
    dataset: Path | None = None,
    names: list[str] | None = None,
    options: BuildOptions | None = None,
    progress: Progress | None = None,
) -> Iterator[Prepared]:
    """Prepare the build of a model file once more, without writing it.

    Args:
        path: a .rknn, which stands for its recipe and must have its .onnx beside it; or an .onnx.
        platform: for an .onnx, the chip.
        dtype: for an .onnx, "i8" or "fp16"; default is "i8" with a dataset and "fp16" without.
        dataset: calibration set; default for a .rknn is the one it was built with.
        names: class names, for an .onnx without metadata.
        options: for an .onnx, the vendor's options.
        progress: told the stages.

    Raises:
        ModelError: the file is absent or broken, or a .rknn's .onnx is not beside it.
        CalibrationError: the calibration set is absent, or not the one that the .rknn was built with.
    """
    recorded: Build | None = None
    if path.suffix.lower() == ".rknn":
        path, recorded = read_recorded(path)
        platform, dtype = recorded.platform, recorded.dtype
        dataset = dataset or _dataset(recorded)
        options = BuildOptions.of(recorded)
    kind = choose_dtype(platform, dtype, dataset)
    if options is not None and (why := check_fit(Build(platform, kind, "", options=options.recorded()))):
        raise ModelError(f"{path} cannot be simulated with these options: {why}")
    with prepared(
        path, platform=platform, dtype=kind, dataset=dataset, names=names, options=options, progress=progress
    ) as recipe:
        if recorded is not None and (made := recipe.metadata.build) and made.digest != recorded.digest:
            raise CalibrationError(
                f"{dataset} does not hold the {recorded.images} images that the .rknn was calibrated with: "
                "give that set, or the .onnx in place of the .rknn"
            )
        yield recipe


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
    if sha256(onnx) != metadata.sha256:
        raise ModelError(f"{onnx} has changed since {rknn} was built from it: build it again, or give the .onnx")
    return onnx, metadata.build


def _dataset(build: Build) -> Path | None:
    if build.dtype != "i8":
        return None
    dataset = Path(build.dataset)
    if not dataset.exists():
        raise CalibrationError(f"there is no calibration set {dataset}, with which the .rknn was built: pass --dataset")
    return dataset
