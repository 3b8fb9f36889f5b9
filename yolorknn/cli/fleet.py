"""`yolorknn fleet`: how many boards are."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from yolorknn.cli.groups import grouped
from yolorknn.cli.options import AsJson, AtOnce, BoardFolder
from yolorknn.cli.rollout import Connecting
from yolorknn.cli.show import print_report
from yolorknn.serve.address import TOKEN, token_of


@grouped
def fleet_command(
    action: Annotated[Literal["status"], typer.Argument(help="status: ask each how it is.", metavar="ACTION")],
    hosts: Annotated[Path, typer.Argument(help="File with the boards, one a line.", metavar="FILE")],
    folder: BoardFolder = "yolorknn",
    page: Annotated[
        int, typer.Option(min=1, max=65535, help="Port of the page that 'watch' or 'detect --serve' has there.")
    ] = 8080,
    page_token: Annotated[
        Path | None,
        typer.Option(help=f"File with the pages' token; or {TOKEN} in the environment.", metavar="FILE"),
    ] = None,
    at_once: AtOnce = None,
    as_json: AsJson = False,
    *,
    connecting: Connecting,
) -> None:
    """Say of every board what is installed, what its doctor finds, how its cameras do; status 1 if one is silent."""
    from yolorknn.fleet.hosts import read_hosts
    from yolorknn.fleet.status import status_of

    status = status_of(
        read_hosts(hosts),
        connecting.to_one_of_many,
        folder=folder,
        port=page,
        token=token_of(page_token, "--page-token"),
        most=at_once or 8,
    )
    print_report(status, as_json=as_json)
    status.check()
