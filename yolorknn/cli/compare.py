"""`yolorknn compare`: one model in float, in the simulator and on a board, on the same inputs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from yolorknn.cli.options import AsJson, Dataset, Device, DeviceId, Inputs, Mean, Std, ToolkitOption
from yolorknn.cli.parse import parse_scaling, place_of
from yolorknn.cli.show import bars, print_report


def compare_command(
    model: Annotated[Path, typer.Argument(help="A .rknn with its source beside it, or an .onnx.", metavar="MODEL")],
    inputs: Inputs = None,
    picture_mean: Mean = None,
    picture_std: Std = None,
    dataset: Dataset = None,
    platform: Annotated[str | None, typer.Option(help="For an .onnx, the chip [default: rk3588].")] = None,
    count: Annotated[int, typer.Option("-n", "--count", min=1, help="Inputs of the calibration set.")] = 8,
    device: Device = False,
    device_id: DeviceId = None,
    toolkit: ToolkitOption = None,
    as_json: AsJson = False,
) -> None:
    """Say how far fp16, int8 and a board are from the float model, and at which layer they part from it."""
    from yolorknn.measure.compare import compare

    if model.suffix.lower() == ".rknn" and platform:
        raise typer.BadParameter("a .rknn has its own", param_hint="--platform")
    place = place_of(simulate=False, dataset=None, device=device, device_id=device_id, toolkit=None)
    with bars() as progress:
        comparison = compare(
            model,
            inputs=inputs or (),
            scaling=parse_scaling(picture_mean, picture_std),
            dataset=dataset,
            platform=platform or "rk3588",
            place=replace(place, toolkit=toolkit),
            count=count,
            progress=progress,
        )
    print_report(comparison, as_json=as_json)
