"""`yolorknn toolkit`: the vendor's toolkits in environments of their own."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from yolorknn.cli.options import AsJson
from yolorknn.cli.show import bars, put, put_json, say
from yolorknn.toolkits.installed import NAMED, VERSIONS, Installed, data_folder, toolkits


def toolkit_command(
    action: Annotated[
        Literal["install", "list"],
        typer.Argument(help="install: make an environment for one; list: show those that are here.", metavar="ACTION"),
    ],
    version: Annotated[
        Literal["2.3.2", "2.5.0"] | None, typer.Argument(help="2.3.2 [default] or 2.5.0.", metavar="VERSION")
    ] = None,
    python: Annotated[
        Path | None, typer.Option(help="Python 3.10 to 3.12 to make it with [default: one that is found here].")
    ] = None,
    share: Annotated[
        bool,
        typer.Option("--share", help="Take torch and all else from the environment that yolorknn runs in: 120 MB."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Install rknn-toolkit2 in an environment of its own, beside any Python and torch, or list what is here."""
    if action == "list":
        if version or python or share:
            raise typer.BadParameter("takes none of VERSION, --python and --share", param_hint="list")
        _list(as_json=as_json)
        return
    if as_json:
        raise typer.BadParameter("is for list", param_hint="--json")
    if share and python:
        raise typer.BadParameter("takes the Python that yolorknn runs in: leave out --python", param_hint="--share")
    from yolorknn.convert.toolkit.environment import install

    with bars() as progress:
        made = install(version or VERSIONS[0], python=python, share=share, progress=progress)
    put(made.where)
    used = _used()
    if used is not None and used.version != made.version:
        say(f"{used.version} ({used.where}) stays the one that is used where none is named: --toolkit {made.version}")


def _used() -> Installed | None:
    """Return the one that is used where none is named."""
    named = os.environ.get(NAMED)
    return next((one for one in toolkits() if not one.broken and named in (None, "", one.version)), None)


def _list(*, as_json: bool) -> None:
    found, used = toolkits(), _used()
    if as_json:
        put_json([_record(toolkit, used=toolkit == used) for toolkit in found])
        return
    for toolkit in found:
        notes = "used where none is named" if toolkit == used else toolkit.broken and f"broken: {toolkit.broken}"
        put(f"{toolkit.version:<8} {toolkit.where}{notes and f' ({notes})'}")
    if not found:
        say(f"no rknn-toolkit2 beside yolorknn or in {data_folder()}: 'yolorknn toolkit install' makes an environment")


def _record(toolkit: Installed, *, used: bool) -> dict[str, Any]:
    return {
        "version": toolkit.version,
        "folder": None if toolkit.folder is None else str(toolkit.folder),
        "python": None if toolkit.python is None else str(toolkit.python),
        "used": used,
        "broken": toolkit.broken,
    }
