"""`yolorknn deploy`: a model to boards, over ssh."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from yolorknn.cli.groups import grouped
from yolorknn.cli.options import BoardFolder, Inputs, SimulatorDataset
from yolorknn.cli.rollout import Connecting, Rolling, say_lines
from yolorknn.cli.show import put

if TYPE_CHECKING:
    from yolorknn.deploy.ssh import Remote
    from yolorknn.fleet.rollout import Tried


@grouped
def deploy_command(
    model: Annotated[
        Path, typer.Argument(help="A .rknn, with the .onnx it was built from beside it.", metavar="MODEL")
    ],
    host: Annotated[
        list[str] | None, typer.Argument(help="The board, or several, as ssh takes them.", metavar="USER@BOARD")
    ] = None,
    samples: Annotated[
        Path | None,
        typer.Option(help="Image or folder to compare the board with the PC on [default: the calibration set]."),
    ] = None,
    inputs: Inputs = None,
    folder: BoardFolder = "yolorknn",
    python: Annotated[str, typer.Option(help="The board's Python, 3.10 or later.")] = "python3",
    offline: Annotated[
        bool, typer.Option("--offline", help="Fetch the packages here and carry them, for a board without internet.")
    ] = False,
    simulate: Annotated[
        bool, typer.Option("--simulate", help="Compare with the vendor's simulator, not with the .onnx.")
    ] = False,
    dataset: SimulatorDataset = None,
    service: Annotated[
        str | None, typer.Option(help="Detect on this source from boot on: camera0, a stream's URL.", metavar="SOURCE")
    ] = None,
    *,
    connecting: Connecting,
    rolling: Rolling,
) -> None:
    """Copy MODEL to boards, install yolorknn there, and compare what they find with the PC."""
    from yolorknn.deploy.supply import Supply

    every = rolling.boards(host)
    if rolling.rollback:
        rolling.roll_back(model, every, connecting, folder=folder)
        return
    trial = (_of_any if _is_any(model, samples, inputs, service) else _of_detector)(
        model, samples, inputs, simulate=simulate, dataset=dataset
    )
    with Supply(offline=offline) as supply:
        tried = partial(trial, supply=supply, folder=folder, python=python)
        if rolling.is_one(every):
            _put_on_one(connecting.to(every[0], tell=say_lines), model, tried, service)
        else:
            rolling.roll_out(model, every, connecting, tried, folder=folder, service=service)


def _is_any(model: Path, samples: Path | None, inputs: list[str] | None, service: str | None) -> bool:
    """Tell whether the model is no detector, and refuse options that are for the others."""
    from yolorknn.tasks.known import why_no_detector

    is_any = why_no_detector(model) == ""
    if is_any and (samples or service):
        hint = "--samples" if samples else "--service"
        raise typer.BadParameter(f"is for detectors, and {model} is none: give --input", param_hint=hint)
    if inputs and not is_any:
        raise typer.BadParameter("is for models that are no detectors: give --samples", param_hint="--input")
    return is_any


def _of_any(
    model: Path, _: Path | None, inputs: list[str] | None, *, simulate: bool, dataset: Path | None
) -> Callable[..., Tried]:
    from yolorknn.deploy.any_model import deploy_any, prepare_any

    prepared = prepare_any(model, inputs or [], simulate=simulate, dataset=dataset)
    return lambda remote, tell, **options: deploy_any(remote, model, prepared, tell=tell, **options)


def _of_detector(
    model: Path, samples: Path | None, _: list[str] | None, *, simulate: bool, dataset: Path | None
) -> Callable[..., Tried]:
    from yolorknn.deploy.deploy import expect, local_side, try_model

    expected = expect(model, *local_side(model, samples, simulate=simulate), simulate=simulate, dataset=dataset)
    return lambda remote, tell, **options: try_model(remote, model, expected, tell=tell, **options)


def _put_on_one(connection: Remote, model: Path, tried: Callable[..., Tried], service: str | None) -> None:
    """Put the model onto a board, of which everything is shown."""
    from yolorknn.deploy.service import install_service
    from yolorknn.deploy.switch import take_over

    with connection as remote:
        placed = tried(remote, say_lines)
        put(placed.table(), lines=True)
        placed.check()
        installed = take_over(remote, placed.installed, model).installed
        if service:
            put(install_service(remote, placed.board, installed, service), lines=True)
