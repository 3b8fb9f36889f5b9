"""`yolorknn precompile`: a .rknn for the mini driver of a chip of the first generation, compiled by a board."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from yolorknn.cli.options import Device, DeviceId, Output, Toolkit1Option
from yolorknn.cli.show import bars, put


def precompile_command(
    model: Annotated[Path, typer.Argument(help="A .rknn for rv1126, rk1808 and the like.", metavar="MODEL")],
    device: Device = False,
    device_id: DeviceId = None,
    toolkit1: Toolkit1Option = None,
    output: Output = None,
) -> None:
    """Have a board of the first generation, attached over adb, compile MODEL.rknn for its NPU.

    Where rknn-toolkit 1.7.3 or before is, 'build --pre-compile' does it on the PC.
    """
    from yolorknn.convert.first.precompile import precompile

    if not device and device_id is None:
        raise typer.BadParameter("a board does it: attach one over adb, and give --device", param_hint="--device")
    with bars() as progress:
        put(precompile(model, device_id=device_id, python=toolkit1, output=output, progress=progress))
