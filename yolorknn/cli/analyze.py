"""`yolorknn analyze`: where a quantized model loses accuracy and time."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from yolorknn.cli.options import Dataset, DtypeOption, Names, Plot
from yolorknn.cli.parse import check_file, check_plot, read_names
from yolorknn.cli.show import bars, put, put_json, say


def analyze_command(
    model: Annotated[Path, typer.Argument(help="An .onnx, or a .rknn with its .onnx beside it.", metavar="MODEL")],
    image: Annotated[Path | None, typer.Option(help="Compare layers on it [default: a calibration image].")] = None,
    platform: Annotated[str | None, typer.Option(help="For an .onnx, the chip [default: rk3588].")] = None,
    dtype: DtypeOption = None,
    dataset: Dataset = None,
    names: Names = None,
    rows: Annotated[int, typer.Option(min=1, help="Layers to print of each table; files hold all.")] = 15,
    csv: Annotated[Path | None, typer.Option(help="Write FILE.csv and FILE-operators.csv.")] = None,
    plot: Plot = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """Say layer by layer what int8 costs in accuracy, what falls to the CPU, and how long a frame may take."""
    from yolorknn.convert.analyze import analyze
    from yolorknn.convert.recipe.request import BuildRequest
    from yolorknn.convert.tables.analysis import draw, write_csv

    check_plot(plot)
    check_file(csv, read=model)

    if model.suffix.lower() == ".rknn" and (platform or dtype):
        raise typer.BadParameter("a .rknn has its own", param_hint="--platform" if platform else "--dtype")
    request = BuildRequest(model, platform or "rk3588", dtype, dataset, read_names(names))
    with bars() as progress:
        analysis = analyze(request, image=image, progress=progress)
    if csv:
        say(f"wrote {csv} and {write_csv(analysis, csv)}")
    if plot:
        draw(analysis, plot)
    if as_json:
        put_json(analysis.to_json())
    else:
        put(analysis.table(rows), lines=True)
