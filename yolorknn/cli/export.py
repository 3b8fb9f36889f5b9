"""`yolorknn export`: .pt -> .onnx -> .rknn."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from yolorknn.cli.groups import Gate, Quantization, Target, grouped
from yolorknn.cli.make import make_first, make_rknn, make_rknn_within
from yolorknn.cli.options import ConfigFile, Output, Trust
from yolorknn.cli.parse import build_options, parse_imgsz
from yolorknn.cli.show import err, put
from yolorknn.model.metadata import Head, Program
from yolorknn.model.platforms import Dtype

if TYPE_CHECKING:
    from yolorknn.convert.recipe.build_options import BuildOptions


@grouped
def export_command(
    checkpoint: Annotated[Path, typer.Argument(help="A .pt trained with ultralytics.", metavar="CHECKPOINT")],
    imgsz: Annotated[
        str | None, typer.Option(help="640, or height,width as 384,640 [default: what it was trained at].")
    ] = None,
    head: Annotated[Head, typer.Option(help="split: boxes and scores apart; decoded: one output.")] = "split",
    program: Annotated[
        Program | None,
        typer.Option(
            "--for", help="Make it for another program: its outputs, and the files it needs, as it takes them."
        ),
    ] = None,
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
    from yolorknn.convert.first.plan import OPSET, FirstRequest
    from yolorknn.convert.recipe.request import BuildRequest
    from yolorknn.data.calibration_set import CalibrationSet
    from yolorknn.measure.gate_plan import GatePlan
    from yolorknn.model import onnx_file
    from yolorknn.toolkits.first import choose_first
    from yolorknn.toolkits.installed import choose

    chosen = quantization.given or config is not None
    gate.check(target, chosen=chosen)
    dtype: Dtype = target.dtype or ("i8" if target.dataset else "fp16")
    if program is not None:
        _check_program(program, target, dtype, head=head, gate=gate)
    if onnx_only and (target.dtype or target.dataset or target.toolkit or gate.data or chosen):
        raise typer.BadParameter(
            "builds no .rknn: leave out --dtype, --dataset, --toolkit, --data and the options of the build",
            param_hint="--onnx-only",
        )
    float16_below = quantization.float16_below is not None
    target.check_first({"--config": bool(config), "--max-drop": bool(gate.data), "--float16-below": float16_below})
    options = build_options(config, quantization, toolkit=target.toolkit)
    # what is wrong with the build's options shows now, not after the export
    if target.first:
        opset = opset or OPSET
    if not onnx_only and target.first:
        choose_first(target.toolkit1)
        FirstRequest(checkpoint, target.chip, target.dtype, target.dataset).decided()
    elif not onnx_only:
        choose(target.toolkit)
    if gate.data:
        plan = GatePlan.make(gate.data, target.dataset)
    elif not onnx_only and not target.first:
        options.check(BuildRequest(checkpoint, target.platform, target.dtype, target.dataset).decided())
    if not onnx_only and not gate.data and target.dataset:
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
            program=program,
            dtype=dtype if program else "fp16",
        )
    digest = onnx_file.digest(onnx)  # as it was exported: another export may write it before it is built
    put(onnx)
    if gate.data:
        make_rknn_within(onnx, target, gate, plan, sha256=digest, output=output)
    elif not onnx_only and target.first:
        make_first(onnx, target, options, sha256=digest, output=output)
    elif not onnx_only:
        _make(onnx, program, target, quantization, options, sha256=digest, output=output)


def _check_program(program: Program, target: Target, dtype: Dtype, *, head: Head, gate: Gate) -> None:
    """Refuse what another program does not take."""
    from yolorknn.convert.export.programs import check_for, layout_for

    if head != "split" or gate.data:
        option = "--data" if gate.data else "--head"
        raise typer.BadParameter(f"chooses itself what outputs there are: leave out {option}", param_hint="--for")
    check_for(program, target.platform)
    layout_for(program, dtype)


def _make(
    onnx: Path,
    program: Program | None,
    target: Target,
    quantization: Quantization,
    options: BuildOptions,
    *,
    sha256: str,
    output: Path | None,
) -> None:
    """Build, and write what another program needs beside it."""
    if program is None:
        make_rknn(onnx, target, quantization, options, sha256=sha256, output=output)
        return
    from yolorknn.convert.build import Outcome
    from yolorknn.convert.export.programs import folder_for, write_beside
    from yolorknn.convert.recipe.request import BuildRequest

    chosen = replace(target, dtype="fp16") if program == "frigate" else target
    request = BuildRequest(onnx, chosen.platform, chosen.dtype, chosen.dataset, options=options)
    folder = folder_for(program, Outcome.of(request).target)
    made = make_rknn(onnx, chosen, quantization, options, sha256=sha256, output=folder)
    for file in write_beside(program, made):
        put(file)
