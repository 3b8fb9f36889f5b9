"""`yolorknn sklearn`: an estimator of scikit-learn -> .rknn."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from yolorknn.cli.options import Platform, ToolkitOption
from yolorknn.cli.show import bars, put, say


def sklearn_command(
    estimator: Annotated[
        Path, typer.Argument(help="A fitted estimator: .skops, .joblib, .pkl or .pickle.", metavar="ESTIMATOR")
    ],
    output: Annotated[Path, typer.Argument(help="The .rknn; or an .onnx, to stop there.", metavar="OUTPUT")],
    table: Annotated[
        Path | None, typer.Option("--data", help="Rows like those to come, .npy or .csv: int8 is calibrated with them.")
    ] = None,
    platform: Platform = "rk3588",
    dtype: Annotated[
        Literal["fp16", "i8"], typer.Option(help="i8 is faster, and rough in its probabilities; it needs --data.")
    ] = "fp16",
    run_rows: Annotated[int, typer.Option("--rows", min=1, help="Rows of one run of the NPU.")] = 64,
    trust: Annotated[
        bool, typer.Option("--trust", help="Run the code that the file may hold: only from someone you trust.")
    ] = False,
    toolkit: ToolkitOption = None,
) -> None:
    """Make a .rknn of a fitted estimator of scikit-learn, for a board without scikit-learn."""
    from yolorknn.integrations.sklearn.convert import convert
    from yolorknn.integrations.sklearn.files import read_estimator, read_rows

    fitted = read_estimator(estimator, trust=trust)
    rows = None if table is None else read_rows(table)
    with bars() as progress:
        made = convert(
            fitted, output, rows, platform=platform, dtype=dtype, rows=run_rows, toolkit=toolkit, progress=progress
        )
    if text := made.text():
        say(text)
    put(made.files[-2])
