"""`yolorknn doctor`: what is wrong with this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from yolorknn.cli.show import put_json
from yolorknn.text import shown


def doctor_command(
    model: Annotated[Path | None, typer.Option("-m", "--model", help="A .rknn that is to run on this board.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of lines.")] = False,
) -> None:
    """Say what on this machine, a board or a PC, keeps yolorknn from working; status 1 if something does."""
    from yolorknn.doctor.examine import examine

    findings = examine(model=model)
    if as_json:
        put_json([vars(finding) for finding in findings])
    out = Console(highlight=False, soft_wrap=True, markup=False, emoji=False, quiet=as_json)
    for finding in findings:
        out.print(
            f"{finding.status:<8}", style={"ok": "green", "warning": "yellow", "problem": "red"}[finding.status], end=""
        )
        what = finding.text if finding.check in finding.text else f"{finding.check}: {finding.text}"
        out.print(f" {shown(what)}" + (f"\n         fix: {shown(finding.fix)}" if finding.fix else ""))
    if any(finding.status == "problem" for finding in findings):
        raise typer.Exit(1)
