"""The command line: parse, call, print. Each command is a file in cli/."""

from __future__ import annotations

from typing import Annotated

import typer

import yolorknn
from yolorknn.cli.analyze import analyze
from yolorknn.cli.bench import bench
from yolorknn.cli.build import build
from yolorknn.cli.calibrate import calibrate
from yolorknn.cli.deploy import deploy
from yolorknn.cli.detect import detect
from yolorknn.cli.doctor import doctor
from yolorknn.cli.export import export
from yolorknn.cli.info import info
from yolorknn.cli.val import val

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (calibrate, export, build, analyze, val, deploy, detect, info, doctor, bench):
    app.command()(command)


def _version(value: bool) -> None:
    if value:
        print(f"yolorknn {yolorknn.__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Ultralytics YOLO detectors on Rockchip NPUs: export, build, detect."""
