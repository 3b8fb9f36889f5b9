"""`yolorknn deploy`: a model to a board, over ssh."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from yolorknn.cli.options import SimulatorDataset
from yolorknn.cli.show import put, say


def deploy_command(
    model: Annotated[
        Path, typer.Argument(help="A .rknn, with the .onnx it was built from beside it.", metavar="MODEL")
    ],
    host: Annotated[str, typer.Argument(help="The board, as ssh takes it.", metavar="USER@BOARD")],
    samples: Annotated[
        Path | None,
        typer.Option(help="Image or folder to compare the board with the PC on [default: the calibration set]."),
    ] = None,
    folder: Annotated[str, typer.Option(help="Folder on the board, below its home.")] = "yolorknn",
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
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="Port of the board's ssh.")] = None,
    ssh_option: Annotated[
        list[str] | None,
        typer.Option(help="More for ssh, repeatable: IdentityFile=~/.ssh/board", metavar="NAME=VALUE"),
    ] = None,
) -> None:
    """Copy MODEL to a board, install yolorknn there, and compare what it finds with the PC."""
    from yolorknn.deploy.deploy import deploy, local_side
    from yolorknn.deploy.service import install_service
    from yolorknn.deploy.ssh import Remote

    def tell(line: str) -> None:
        say(line, lines=True)

    local_side(model, samples, simulate=simulate)  # so that a mistake in it shows before the board is asked
    with Remote(host, port=port, options=ssh_option or [], tell=tell) as remote:
        deployment = deploy(
            remote,
            model,
            samples=samples,
            folder=folder,
            python=python,
            offline=offline,
            simulate=simulate,
            dataset=dataset,
            tell=tell,
        )
        put(deployment.table(), lines=True)
        deployment.check()
        if service:
            put(install_service(remote, deployment.board, deployment.installed, service), lines=True)
