"""`yolorknn export`: .pt -> .onnx -> .rknn."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from yolorknn.cli.groups import Gate, Quantization, Target, grouped
from yolorknn.cli.make import make_rknn, make_rknn_within
from yolorknn.cli.options import ConfigFile, Output, Trust
from yolorknn.cli.parse import build_options, parse_imgsz
from yolorknn.cli.show import err, put
from yolorknn.model.metadata import Head


@grouped
def export_command(
    checkpoint: Annotated[Path, typer.Argument(help="A .pt trained with ultralytics.", metavar="CHECKPOINT")],
    imgsz: Annotated[
        str | None, typer.Option(help="640, or height,width as 384,640 [default: what it was trained at].")
    ] = None,
    head: Annotated[Head, typer.Option(help="split: boxes and scores apart; decoded: one output.")] = "split",
    custom_softmax: Annotated[
        bool,
        typer.Option("--custom-softmax/--no-custom-softmax", help="Rename every Softmax to the custom op cstSoftmax."),
    ] = False,
    opset: Annotated[int | None, typer.Option(help="ONNX opset, 12 to 19 [default: the lowest that works].")] = None,
    onnx_only: Annotated[bool, typer.Option("--onnx-only", help="Stop after the ONNX.")] = False,
    *,
    target: Target,
    quantization: Quantization,
    config: ConfigFile = None,
    gate: Gate,
    output: Output = None,
    trust: Trust = False,
) -> None:
    """Make CHECKPOINT.onnx of a .pt, and of that the .rknn."""
    from yolorknn.convert.export.export import export
    from yolorknn.convert.recipe.request import BuildRequest
    from yolorknn.data.calibration_set import CalibrationSet
    from yolorknn.measure.gate_plan import GatePlan

    chosen = quantization.given or config is not None
    gate.check(target, chosen=chosen)
    if onnx_only and (target.dtype or target.dataset or gate.data or chosen):
        raise typer.BadParameter(
            "builds no .rknn: leave out --dtype, --dataset, --data and the options of the build",
            param_hint="--onnx-only",
        )
    options = build_options(config, quantization)
    # what is wrong with the build's options shows now, not after the export
    if gate.data:
        plan = GatePlan.make(gate.data, target.dataset)
    elif not onnx_only:
        options.check(BuildRequest(checkpoint, target.platform, target.dtype, target.dataset).decided())
        if target.dataset:
            CalibrationSet.open(target.dataset)
    with err.status("exporting to ONNX"):
        onnx = export(
            checkpoint,
            imgsz=parse_imgsz(imgsz),
            head=head,
            custom_softmax=custom_softmax,
            opset=opset,
            output=output,
            trust=trust,
        )
    put(onnx)
    if gate.data:
        make_rknn_within(onnx, target, gate, plan, output=output)
    elif not onnx_only:
        make_rknn(onnx, target, quantization, options, output=output)
