"""The command line: parse, call, print. Each command is a file in cli/."""

from __future__ import annotations

from typing import Annotated

import typer

import yolorknn
from yolorknn.cli.analyze import analyze_command
from yolorknn.cli.bench import bench_command
from yolorknn.cli.build import build_command
from yolorknn.cli.calibrate import calibrate_command
from yolorknn.cli.compare import compare_command
from yolorknn.cli.deploy import deploy_command
from yolorknn.cli.detect import detect_command
from yolorknn.cli.doctor import doctor_command
from yolorknn.cli.export import export_command
from yolorknn.cli.fleet import fleet_command
from yolorknn.cli.help import Command, Group
from yolorknn.cli.info import info_command
from yolorknn.cli.mqtt import mqtt_command
from yolorknn.cli.node import node_command
from yolorknn.cli.precompile import precompile_command
from yolorknn.cli.run import run_command
from yolorknn.cli.show import put
from yolorknn.cli.sklearn import sklearn_command
from yolorknn.cli.toolkit import toolkit_command
from yolorknn.cli.val import val_command
from yolorknn.cli.watch import watch_command

app = typer.Typer(
    cls=Group,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("calibrate", cls=Command)(calibrate_command)
app.command("export", cls=Command)(export_command)
app.command("build", cls=Command)(build_command)
app.command("precompile", cls=Command)(precompile_command)
app.command("sklearn", cls=Command)(sklearn_command)
app.command("analyze", cls=Command)(analyze_command)
app.command("compare", cls=Command)(compare_command)
app.command("val", cls=Command)(val_command)
app.command("deploy", cls=Command)(deploy_command)
app.command("fleet", cls=Command)(fleet_command)
app.command("detect", cls=Command)(detect_command)
app.command("watch", cls=Command)(watch_command)
app.command("run", cls=Command)(run_command)
app.command("mqtt", cls=Command)(mqtt_command)
app.command("node", cls=Command)(node_command)
app.command("info", cls=Command)(info_command)
app.command("doctor", cls=Command)(doctor_command)
app.command("bench", cls=Command)(bench_command)
app.command("toolkit", cls=Command)(toolkit_command)


def _version(value: bool) -> None:
    if value:
        put(f"yolorknn {yolorknn.__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Ultralytics YOLO detectors on Rockchip NPUs: export, build, detect."""
