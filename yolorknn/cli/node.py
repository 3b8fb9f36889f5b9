"""`yolorknn node`: how this machine becomes part of a Ray cluster."""

from __future__ import annotations

import re
from typing import Annotated

import typer

from yolorknn.cli.show import put, say


def node_command(
    head: Annotated[
        str | None, typer.Argument(help="HOST:PORT of the cluster's head [default: become the head].", metavar="HEAD")
    ] = None,
) -> None:
    """Say how to start this machine as a Ray node with its NPU cores."""
    from yolorknn.integrations.ray.cluster import node_line

    if head is not None and not re.fullmatch(r"(\[[0-9A-Fa-f:.]+\]|[\w.-]+):\d{1,5}", head, re.ASCII):
        raise typer.BadParameter(f"'{head}' is no HOST:PORT, as 192.168.1.10:6379", param_hint="HEAD")
    line, said = node_line(head)
    put(line)
    say(said)
