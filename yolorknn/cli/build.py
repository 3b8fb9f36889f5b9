"""`yolorknn build`: .onnx -> .rknn."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from yolorknn.cli.groups import Gate, Quantization, Target, grouped
from yolorknn.cli.make import make_any_within, make_first, make_rknn, make_rknn_within
from yolorknn.cli.options import Anchors, ConfigFile, Names, Output
from yolorknn.cli.parse import build_options
from yolorknn.cli.sizes import parse_sizes


@grouped
def build_command(
    onnx: Annotated[
        Path,
        typer.Argument(
            help="An .onnx of a detector; or any model, as .onnx, TorchScript, .tflite, .pb, .prototxt or .cfg.",
            metavar="MODEL",
        ),
    ],
    target: Target,
    names: Names = None,
    anchors: Anchors = None,
    *,
    quantization: Quantization,
    optimization_level: Annotated[int | None, typer.Option(help="The compiler's, 0 to 3 [default: 3].")] = None,
    mean: Annotated[str | None, typer.Option(help="The network sees (pixel - mean) / std [default: 0,0,0].")] = None,
    std: Annotated[str | None, typer.Option(help="See --mean [default: 255,255,255].")] = None,
    batch: Annotated[int | None, typer.Option(help="Images per inference, for programs of your own.")] = None,
    encrypt: Annotated[int, typer.Option(help="1 to 3: write an encrypted model too.", metavar="LEVEL")] = 0,
    codegen: Annotated[
        bool, typer.Option("--codegen", help="Write a C++ example too, the vendor's; for rv1126 and the like ours.")
    ] = False,
    generic: Annotated[bool, typer.Option("--generic", help="Take the .onnx as it is, as no detector.")] = False,
    size: Annotated[
        list[str] | None,
        typer.Option(
            help="With --generic, an input's size: 1x784, or NAME=1x784; again for more.", metavar="[NAME=]SIDES"
        ),
    ] = None,
    custom_op: Annotated[
        list[str] | None,
        typer.Option(
            help="A Python class that computes an op of yours, see docs; again for more.", metavar="FILE.py:CLASS"
        ),
    ] = None,
    config: ConfigFile = None,
    gate: Gate,
    output: Output = None,
) -> None:
    """Make MODEL-PLATFORM-DTYPE.rknn of an .onnx."""
    from yolorknn.measure.gate_plan import GatePlan
    from yolorknn.model.anchor_sizes import given_anchors
    from yolorknn.model.class_names import read_names

    others = (config, batch, mean, std, optimization_level, custom_op)
    kept = () if generic else others  # of a generic model they are part of what is built
    chosen = any(value is not None for value in kept) or batch is not None or codegen or encrypt != 0
    gate.check(target, chosen=quantization.given or chosen, generic=generic)
    later = {
        "--config": config,
        "--batch": batch,
        "--max-drop": gate.data,
        "--float16-below": quantization.float16_below,
        "--custom-op": custom_op,
    }
    given = {option: value is not None for option, value in later.items()}
    target.check_first(given | {"--generic": generic, "--encrypt": encrypt != 0})
    if size and not generic and onnx.suffix.lower() == ".onnx":
        raise typer.BadParameter("is for models of any kind: add --generic", param_hint="--size")
    load = parse_sizes(size, onnx)
    told: dict[str, Any] = {"names": read_names(names), "anchors": given_anchors(anchors)}
    options = build_options(
        config,
        quantization,
        toolkit=target.toolkit,
        optimization_level=optimization_level,
        batch=batch,
        mean=mean,
        std=std,
        load=load,
        custom_ops=custom_op,
    )
    if gate.data and generic:
        make_any_within(onnx, target, gate, options, output=output)
        return
    if gate.data:
        make_rknn_within(onnx, target, gate, GatePlan.make(gate.data, target.dataset), **told, output=output)
        return
    if target.first:
        make_first(onnx, target, options, **told, codegen=codegen, output=output)
        return
    make_rknn(
        onnx,
        target,
        quantization,
        options,
        **told,
        generic=generic,
        encrypt=encrypt,
        codegen=codegen,
        output=output,
    )
