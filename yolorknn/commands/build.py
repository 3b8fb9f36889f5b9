"""`yolorknn build`: .onnx -> .rknn."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from yolorknn.commands.options import (
    Dataset,
    DtypeOption,
    Names,
    Output,
    Platform,
    bars,
    read_names,
    say_concerns,
    say_dtype,
)


def build(
    onnx: Annotated[Path, typer.Argument(help="An .onnx of a detector.", metavar="ONNX")],
    platform: Platform = "rk3588",
    dtype: DtypeOption = None,
    dataset: Dataset = None,
    names: Names = None,
    output: Output = None,
) -> None:
    """Make ONNX-PLATFORM-DTYPE.rknn of an .onnx."""
    from yolorknn.convert import build as building

    kind = building.choose_dtype(platform, dtype, dataset)
    own = read_names(names)
    say_concerns(dataset, onnx, own)
    with bars() as progress:
        made = building.build(
            onnx, platform=platform, dtype=kind, dataset=dataset, names=own, output=output, progress=progress
        )
    print(made)
    say_dtype(dtype, dataset)
