"""`yolorknn analyze`: where a quantized model loses accuracy and time."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from yolorknn.cli.options import (
    Anchors,
    ConfigFile,
    Dataset,
    DtypeOption,
    Inputs,
    Mean,
    Names,
    Plot,
    Std,
    ToolkitOption,
)
from yolorknn.cli.parse import check_file, check_plot, parse_scaling
from yolorknn.cli.show import bars, put, put_json, say


def analyze_command(
    model: Annotated[Path, typer.Argument(help="An .onnx, or a .rknn with its .onnx beside it.", metavar="MODEL")],
    image: Annotated[Path | None, typer.Option(help="Compare layers on it [default: a calibration image].")] = None,
    inputs: Inputs = None,
    picture_mean: Mean = None,
    picture_std: Std = None,
    platform: Annotated[str | None, typer.Option(help="For an .onnx, the chip [default: rk3588].")] = None,
    dtype: DtypeOption = None,
    dataset: Dataset = None,
    config: ConfigFile = None,
    names: Names = None,
    anchors: Anchors = None,
    toolkit: ToolkitOption = None,
    rows: Annotated[int, typer.Option(min=1, help="Layers to print of each table; files hold all.")] = 15,
    csv: Annotated[Path | None, typer.Option(help="Write FILE.csv and FILE-operators.csv.")] = None,
    plot: Plot = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """Say layer by layer what int8 costs in accuracy, what falls to the CPU, and how long a frame may take."""
    from yolorknn.convert.analyze import analyze
    from yolorknn.convert.recipe.build_options import BuildOptions
    from yolorknn.convert.recipe.config import read
    from yolorknn.convert.recipe.request import BuildRequest
    from yolorknn.convert.tables.analysis import draw, write_csv
    from yolorknn.model.anchor_sizes import given_anchors
    from yolorknn.model.class_names import read_names
    from yolorknn.tasks.known import why_no_detector

    check_plot(plot)
    check_file(csv, read=model)

    if model.suffix.lower() == ".rknn" and (platform or dtype):
        raise typer.BadParameter("a .rknn has its own", param_hint="--platform" if platform else "--dtype")
    options = read(config, toolkit=toolkit) if config else BuildOptions()
    request = BuildRequest(
        model,
        platform or "rk3588",
        dtype,
        dataset,
        read_names(names),
        given_anchors(anchors),
        options=options,
        toolkit=toolkit,
    )
    why = why_no_detector(model) if not (request.names or request.anchors) else None
    if why:
        say(f"taken as it is, as no detector: {why}")
    request = replace(request, generic=why is not None or bool(options.load))
    if inputs and not request.generic:
        raise typer.BadParameter("is for models that are no detectors: give --image", param_hint="--input")
    if image and inputs:
        raise typer.BadParameter("is one of the inputs: give it as --input", param_hint="--image")
    scaling = parse_scaling(picture_mean, picture_std)
    with bars() as progress:
        analysis = analyze(request, image=image, inputs=inputs or (), scaling=scaling, progress=progress)
    if csv:
        say(f"wrote {csv} and {write_csv(analysis, csv)}")
    if plot:
        draw(analysis, plot)
    if as_json:
        put_json(analysis.to_json())
    else:
        put(analysis.table(rows), lines=True)
