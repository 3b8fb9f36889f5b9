"""`yolorknn export`: .pt -> .onnx -> .rknn."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from yolorknn.cli.options import (
    AlgorithmOption,
    AutoHybrid,
    ConfigFile,
    Data,
    Dataset,
    DtypeOption,
    Float16,
    Float16Below,
    MaxDrop,
    MethodOption,
    Mmse,
    Output,
    Platform,
    build_gated,
    build_options,
    check_gate,
    parse_imgsz,
    say_concerns,
    say_dtype,
    say_float16,
    say_unfit,
)
from yolorknn.cli.show import bars, err
from yolorknn.model.metadata import Head


def export(
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
    platform: Platform = "rk3588",
    dtype: DtypeOption = None,
    dataset: Dataset = None,
    algorithm: AlgorithmOption = None,
    method: MethodOption = None,
    auto_hybrid: AutoHybrid = False,
    float16: Float16 = None,
    float16_below: Float16Below = None,
    config: ConfigFile = None,
    data: Data = None,
    max_drop: MaxDrop = None,
    mmse: Mmse = False,
    output: Output = None,
) -> None:
    """Make CHECKPOINT.onnx of a .pt, and of that the .rknn."""
    from yolorknn.convert import build as building
    from yolorknn.convert.export import export as exporting
    from yolorknn.convert.recipe.prepared import choose_dtype
    from yolorknn.data.calibration_set import CalibrationSet
    from yolorknn.data.dataset import Dataset
    from yolorknn.data.holdout import hold_out

    chosen = bool(algorithm or method or auto_hybrid or float16 or float16_below is not None or config)
    check_gate(data, max_drop, mmse=mmse, dtype=dtype, chosen=chosen)
    if onnx_only and (dtype or dataset or data or chosen):
        raise typer.BadParameter(
            "builds no .rknn: leave out --dtype, --dataset, --data and the options of the build",
            param_hint="--onnx-only",
        )
    if data:
        _, measured = hold_out(data, CalibrationSet.open(dataset) if dataset else None)
        Dataset.open(data).truth(measured)  # so that a mistake in it shows at once
    elif not onnx_only:
        kind = choose_dtype(platform, dtype, dataset)
        options = build_options(
            config,
            algorithm=algorithm,
            method=method,
            auto_hybrid=auto_hybrid or None,
            float16=tuple(float16) if float16 else None,
        )
        options.check(kind)
        if dataset:
            CalibrationSet.open(dataset)  # so that a mistake in it shows at once
    with err.status("exporting to ONNX"):
        made = exporting.export(
            checkpoint,
            imgsz=parse_imgsz(imgsz),
            head=head,
            custom_softmax=custom_softmax,
            opset=opset,
            output=output,
        )
    print(made)
    if data and max_drop is not None:
        print(
            build_gated(
                made,
                data=data,
                max_drop=max_drop,
                mmse=mmse,
                platform=platform,
                dataset=dataset,
                names=None,
                output=output,
            )
        )
    elif not onnx_only:
        say_concerns(dataset, made)
        with bars() as progress:
            built = building.build(
                made,
                platform=platform,
                dtype=kind,
                dataset=dataset,
                options=options,
                float16_below=float16_below,
                output=output,
                progress=progress,
            )
        print(built)
        say_dtype(dtype, dataset)
        say_float16(built, float16_below)
        say_unfit(options, encrypt=0)
