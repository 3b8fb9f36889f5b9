"""`yolorknn run`: a model of any kind on arrays and pictures."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from yolorknn.cli.options import (
    AsJson,
    Device,
    DeviceId,
    Inputs,
    Mean,
    Names,
    RuntimeOption,
    SimulatorDataset,
    Std,
    ToolkitOption,
)
from yolorknn.cli.parse import check_file, parse_scaling, place_of
from yolorknn.cli.show import bars, print_report, say, say_simulated


def run_command(
    model: Annotated[Path, typer.Argument(help="A .rknn on the board, an .onnx anywhere.", metavar="MODEL")],
    inputs: Inputs = None,
    picture_mean: Mean = None,
    picture_std: Std = None,
    simulate: Annotated[bool, typer.Option("--simulate", help="Run on the vendor's simulator, on a PC.")] = False,
    dataset: SimulatorDataset = None,
    device: Device = False,
    device_id: DeviceId = None,
    toolkit: ToolkitOption = None,
    runtime: RuntimeOption = "auto",
    save_to: Annotated[Path | None, typer.Option("--save", help="Write the outputs to this .npz, by name.")] = None,
    top: Annotated[
        int, typer.Option(min=0, help="Tell so many of the largest values of each output; with --names 5.")
    ] = 0,
    names: Names = None,
    as_json: AsJson = False,
) -> None:
    """Run a model of any kind once, and show what it gives: shape, values, and with --top the best classes."""
    from yolorknn.data.input_files import read_inputs
    from yolorknn.doctor.examine import diagnosed
    from yolorknn.model.class_names import read_names
    from yolorknn.predict.ran import Ran
    from yolorknn.predict.runner import Runner

    place = place_of(simulate=simulate, dataset=dataset, device=device, device_id=device_id, toolkit=toolkit)
    own, scaling = read_names(names), parse_scaling(picture_mean, picture_std)
    if save_to is not None and save_to.suffix.lower() != ".npz":
        raise typer.BadParameter(f"{save_to} is no .npz, which holds arrays by name", param_hint="--save")
    check_file(save_to, read=model)
    say_simulated(model, dataset=dataset, simulate=simulate)
    with diagnosed(model), bars() as progress, Runner(model, place=place, runtime=runtime, progress=progress) as runner:
        arrays = read_inputs(inputs or [], runner.inputs, scaling=scaling)
        start = time.perf_counter()
        outputs = runner.run(arrays)
        ms = 1000 * (time.perf_counter() - start)
    ran = Ran(str(model), place.where(model), ms, outputs, top=top or 5 * (own is not None), names=own)
    if save_to is not None:
        ran.save(save_to)
        say(f"wrote {save_to}")
    print_report(ran, as_json=as_json)
