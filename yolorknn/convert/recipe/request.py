"""BuildRequest: what is to be built, in one value, from the command to the toolkit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import get_args

from yolorknn.convert.recipe.build_options import BuildOptions
from yolorknn.data.calibration_set import CalibrationSet
from yolorknn.errors import BuildError, CalibrationError
from yolorknn.files import is_file
from yolorknn.model import onnx_file
from yolorknn.model.anchor_sizes import AnchorSizes
from yolorknn.model.metadata import Build
from yolorknn.model.platforms import Dtype, get_platform


@dataclass(frozen=True)
class BuildRequest:
    """A model, the chip to build it for, and how."""

    model: Path
    """An .onnx, or another file that generic.LOADERS knows; where a build is repeated, a .rknn stands for its own."""
    platform: str = "rk3588"
    dtype: Dtype | None = None
    """None: int8 with a dataset or of a model that is quantized already, else fp16."""
    dataset: Path | CalibrationSet | None = None
    """The calibration set."""
    names: Sequence[str] | None = None
    """Class names, for an .onnx without metadata."""
    anchors: AnchorSizes | None = None
    """Sizes of anchor boxes, for an .onnx that has such and no metadata."""
    options: BuildOptions = field(default_factory=BuildOptions)
    generic: bool = False
    """Whether the model is taken as it is, as no detector."""
    toolkit: str | None = None
    """The version of rknn-toolkit2 to build with; None for the one that toolkits.installed.choose() finds."""
    recorded: Build | None = None
    """Of a build that is repeated, what its .rknn records: the calibration set must be the same."""
    sha256: str | None = None
    """The digest that the model must have, where several builds are compared; None for any."""

    def decided(self) -> Dtype:
        """Return the dtype to build.

        Raises:
            ModelError: unknown platform.
            CalibrationError: int8 without a dataset, or fp16 with one.
            BuildError: the platform cannot run the dtype.
        """
        chip = get_platform(self.platform)
        dtype: Dtype = self.dtype or ("i8" if self.dataset is not None or self.quantized else "fp16")
        if dtype not in get_args(Dtype):
            raise BuildError(f"dtype is {' or '.join(get_args(Dtype))}, not {dtype}")
        if dtype not in chip.dtypes:
            only = chip.dtypes[0]
            hint = "pass --dataset with some hundred typical images" if only == "i8" else "leave --dataset out"
            raise BuildError(f"{chip.name} runs {only} models only, not {dtype}: {hint}")
        if self.quantized and self.dataset is not None:
            raise CalibrationError(f"{self.model} is quantized already, with ranges of its own: leave out --dataset")
        if self.quantized and dtype != "i8":
            raise BuildError(
                f"{self.model} is quantized already, so it is built as i8: leave out --dtype {dtype}, or give the "
                "float model"
            )
        if not self.quantized:
            check_calibrated(dtype, self.dataset)
        return dtype

    @cached_property
    def quantized(self) -> bool:
        """Whether the model is an .onnx that is quantized already.

        Raises:
            ModelError: it is unreadable.
        """
        return is_file(self.model) and self.model.suffix.lower() == ".onnx" and onnx_file.read(self.model).quantized


def check_calibrated(dtype: Dtype, dataset: object | None) -> None:
    """Refuse int8 without a calibration set, and fp16 with one.

    Raises:
        CalibrationError: it is so.
    """
    if dtype == "i8" and dataset is None:
        raise CalibrationError(
            "int8 needs a calibration set, to measure the range of every layer's values: pass --dataset with 50 "
            "to 200 typical images (a folder, a list, a data.yaml or a video), or --dtype fp16"
        )
    if dtype == "fp16" and dataset is not None:
        raise CalibrationError("fp16 is not quantized and takes no calibration set: leave out --dataset, or build i8")
