"""`yolorknn build`: .onnx -> .rknn."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from yolorknn.cli.groups import Gate, Quantization, Target, grouped
from yolorknn.cli.make import make_rknn, make_rknn_within
from yolorknn.cli.options import ConfigFile, Names, Output
from yolorknn.cli.parse import build_options, read_names


@grouped
def build_command(
    onnx: Annotated[
        Path,
        typer.Argument(
            help="An .onnx of a detector; or any model, as .onnx, .torchscript, .tflite, .pb, .prototxt or .cfg.",
            metavar="MODEL",
        ),
    ],
    target: Target,
    names: Names = None,
    *,
    quantization: Quantization,
    optimization_level: Annotated[int | None, typer.Option(help="The compiler's, 0 to 3 [default: 3].")] = None,
    mean: Annotated[str | None, typer.Option(help="The network sees (pixel - mean) / std [default: 0,0,0].")] = None,
    std: Annotated[str | None, typer.Option(help="See --mean [default: 255,255,255].")] = None,
    batch: Annotated[int | None, typer.Option(help="Images per inference, for programs of your own.")] = None,
    encrypt: Annotated[int, typer.Option(help="1 to 3: write an encrypted model too.", metavar="LEVEL")] = 0,
    codegen: Annotated[bool, typer.Option("--codegen", help="Write the vendor's C++ example too.")] = False,
    generic: Annotated[bool, typer.Option("--generic", help="Take the .onnx as it is, as no detector.")] = False,
    config: ConfigFile = None,
    gate: Gate,
    output: Output = None,
) -> None:
    """Make MODEL-PLATFORM-DTYPE.rknn of an .onnx."""
    from yolorknn.measure.gate_plan import GatePlan

    others = (config, batch, mean, std, optimization_level)
    chosen = any(value is not None for value in others) or generic or codegen or encrypt != 0
    gate.check(target, chosen=quantization.given or chosen)
    class_names = read_names(names)
    if gate.data:
        make_rknn_within(onnx, target, gate, GatePlan.make(gate.data, target.dataset), names=class_names, output=output)
        return
    options = build_options(
        config, quantization, optimization_level=optimization_level, batch=batch, mean=mean, std=std
    )
    make_rknn(
        onnx,
        target,
        quantization,
        options,
        names=class_names,
        generic=generic,
        encrypt=encrypt,
        codegen=codegen,
        output=output,
    )
