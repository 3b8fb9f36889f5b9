"""`yolorknn val`: mAP of models on labelled images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from yolorknn.cli.options import (
    Anchors,
    AsJson,
    Device,
    DeviceId,
    Names,
    RayOption,
    RuntimeOption,
    SimulatorDataset,
    ToolkitOption,
    Trust,
    check_folder_name,
)
from yolorknn.cli.parse import parse_imgsz, place_of
from yolorknn.cli.show import bars, put, put_json, say
from yolorknn.cli.spread import spread_at
from yolorknn.errors import ModelError

if TYPE_CHECKING:
    from yolorknn.measure.val_report import ValReport


def val_command(
    models: Annotated[
        list[Path], typer.Argument(help="A .pt or .onnx anywhere, a .rknn on the board.", metavar="MODEL...")
    ],
    data: Annotated[
        Path, typer.Option("--data", help="The data.yaml with the labelled 'val' images; of a classifier, the folder.")
    ],
    simulate: Annotated[
        bool,
        typer.Option("--simulate", help="Run on the vendor's simulator, on a PC: .rknn, and with --dataset .onnx."),
    ] = False,
    dataset: SimulatorDataset = None,
    device: Device = False,
    device_id: DeviceId = None,
    toolkit: ToolkitOption = None,
    output: Annotated[
        Path,
        typer.Option(
            "-o",
            "--output",
            help="Folder for predictions, which an interrupted run goes on from.",
            callback=check_folder_name,
        ),
    ] = Path("runs/val"),
    imgsz: Annotated[
        str | None,
        typer.Option(help="Size to measure a .pt at, as 640 or 384,640 [default: that of the first other model]."),
    ] = None,
    names: Names = None,
    anchors: Anchors = None,
    trust: Trust = False,
    runtime: RuntimeOption = "auto",
    ray: RayOption = None,
    as_json: AsJson = False,
) -> None:
    """Measure mAP50 and mAP50-95 of one or several models, class by class; of classifiers, top-1 and top-5."""
    from yolorknn.measure.val import validate
    from yolorknn.measure.val_classes import top_table, validate_classes
    from yolorknn.measure.val_report import table
    from yolorknn.measure.val_size import size_to_compare_at
    from yolorknn.model.anchor_sizes import given_anchors
    from yolorknn.model.class_names import read_names
    from yolorknn.predict.open_model import HERE

    place = place_of(simulate=simulate, dataset=dataset, device=device, device_id=device_id, toolkit=toolkit)
    if ray and place.remote:
        raise typer.BadParameter("is attached to this PC, and not to the workers of --ray", param_hint="--device")
    own, sizes = read_names(names), given_anchors(anchors)
    if simulate:
        from yolorknn.convert.recipe.recorded import read_recorded

        for model in models:
            if model.suffix.lower() == ".rknn":
                read_recorded(model)  # so that a missing .onnx shows before the first model has run
    placed = (".rknn", ".onnx") if simulate and dataset else (".rknn",)
    if place != HERE and not any(model.suffix.lower() in placed for model in models):
        hint = ", or an .onnx with --dataset, which says how to build it" if simulate else ""
        raise ModelError(f"--{'simulate' if simulate else 'device'} is for a .rknn{hint}: none of the models is one")

    def options_of(model: Path) -> dict[str, Any]:
        where = place if model.suffix.lower() in placed else HERE
        return {"place": where, "names": own, "trust": trust, "runtime": runtime}

    if data.is_dir() and sizes:
        raise typer.BadParameter("is for detectors, and classifiers are measured on a folder", param_hint="--anchors")
    if data.is_dir() and imgsz:
        raise typer.BadParameter("is for detectors: classifiers are measured at their own size", param_hint="--imgsz")
    if data.is_dir():
        with spread_at(ray) as spread, bars() as progress:
            tops = [
                validate_classes(model, data, spread=spread, progress=progress, **options_of(model)) for model in models
            ]
        if as_json:
            put_json([report.to_json() for report in tops])
        else:
            put(top_table(tops), lines=True)
        return
    size = parse_imgsz(imgsz) or size_to_compare_at(models, names=own, anchors=sizes)
    with spread_at(ray) as spread, bars() as progress:
        reports = [
            validate(
                model,
                data,
                store=output,
                progress=progress,
                imgsz=size if imgsz or model.suffix.lower() == ".pt" else None,
                anchors=sizes,
                spread=spread,
                **options_of(model),
            )
            for model in models
        ]
    _say_of(reports)
    if as_json:
        put_json([report.to_json() for report in reports])
    else:
        put(table(reports), lines=True)


def _say_of(reports: Sequence[ValReport]) -> None:
    """Tell what is to be known of what was measured."""
    first = reports[0]
    if len({report.imgsz for report in reports}) > 1:
        say("the models are of different sizes: what is compared is the size too")
    if len({report.of for report in reports if report.map50}) > 1:  # one that finds nothing does not show what it is of
        each = ", ".join(f"{number} by {report.of}" for number, report in enumerate(reports, 1))
        say(f"the models are of different tasks, whose numbers say nothing beside each other: measured is {each}")
    if first.unlabelled:
        say(f"{first.unlabelled} of {first.images} images have no label file and count as images of nothing")
    if first.absent:
        say(f"no labels of {len(first.absent)} classes, which are in no mean: {', '.join(first.absent)}")
