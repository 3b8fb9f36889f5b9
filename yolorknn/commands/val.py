"""`yolorknn val`: mAP of models on labelled images."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from yolorknn.commands.options import Names, bars, err, read_names


def val(
    models: Annotated[
        list[Path], typer.Argument(help="A .pt or .onnx anywhere, a .rknn on the board.", metavar="MODEL...")
    ],
    data: Annotated[Path, typer.Option("--data", help="The data.yaml with the labelled 'val' images.")],
    simulate: Annotated[
        bool,
        typer.Option("--simulate", help="Run on the vendor's simulator, on a PC: .rknn, and with --dataset .onnx."),
    ] = False,
    dataset: Annotated[Path | None, typer.Option(help="With --simulate: calibration images for i8.")] = None,
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Folder for predictions, which an interrupted run goes on from.")
    ] = Path("runs/val"),
    names: Names = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Measure mAP50 and mAP50-95 of one or several models, class by class."""
    from yolorknn.val import table, validate

    own = read_names(names)
    simulated = (".rknn", ".onnx") if dataset else (".rknn",)
    with bars() as progress:
        reports = [
            validate(
                model,
                data,
                simulate=simulate and model.suffix.lower() in simulated,
                dataset=dataset,
                names=own,
                store=output,
                progress=progress,
            )
            for model in models
        ]
    first = reports[0]
    if first.unlabelled:
        err.print(f"{first.unlabelled} of {first.images} images have no label file and count as images of nothing")
    if first.absent:
        err.print(f"no labels of {len(first.absent)} classes, which are in no mean: {', '.join(first.absent)}")
    print(json.dumps([report.to_json() for report in reports], indent=2) if as_json else table(reports))
