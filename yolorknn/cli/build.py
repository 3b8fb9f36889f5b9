"""`yolorknn build`: .onnx -> .rknn."""

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
    Names,
    Output,
    Platform,
    build_gated,
    build_options,
    check_gate,
    read_names,
    say_concerns,
    say_dtype,
    say_float16,
    say_unfit,
)
from yolorknn.cli.show import bars


def build(
    onnx: Annotated[
        Path,
        typer.Argument(
            help="An .onnx of a detector; or any model, as .onnx, .torchscript, .tflite, .pb, .prototxt or .cfg.",
            metavar="MODEL",
        ),
    ],
    platform: Platform = "rk3588",
    dtype: DtypeOption = None,
    dataset: Dataset = None,
    names: Names = None,
    algorithm: AlgorithmOption = None,
    method: MethodOption = None,
    auto_hybrid: AutoHybrid = False,
    float16: Float16 = None,
    float16_below: Float16Below = None,
    optimization_level: Annotated[int | None, typer.Option(help="The compiler's, 0 to 3 [default: 3].")] = None,
    mean: Annotated[str | None, typer.Option(help="The network sees (pixel - mean) / std [default: 0,0,0].")] = None,
    std: Annotated[str | None, typer.Option(help="See --mean [default: 255,255,255].")] = None,
    batch: Annotated[int | None, typer.Option(help="Images per inference, for programs of your own.")] = None,
    encrypt: Annotated[int, typer.Option(help="1 to 3: write an encrypted model too.", metavar="LEVEL")] = 0,
    codegen: Annotated[bool, typer.Option("--codegen", help="Write the vendor's C++ example too.")] = False,
    generic: Annotated[bool, typer.Option("--generic", help="Take the .onnx as it is, as no detector.")] = False,
    config: ConfigFile = None,
    data: Data = None,
    max_drop: MaxDrop = None,
    mmse: Mmse = False,
    output: Output = None,
) -> None:
    """Make MODEL-PLATFORM-DTYPE.rknn of an .onnx."""
    from yolorknn.convert import build as building
    from yolorknn.convert.recipe.prepared import choose_dtype

    chosen = bool(
        algorithm
        or method
        or auto_hybrid
        or float16
        or float16_below is not None
        or config
        or generic
        or batch
        or mean
        or std
        or optimization_level
        or encrypt
        or codegen
    )
    check_gate(data, max_drop, mmse=mmse, dtype=dtype, chosen=chosen)
    own = read_names(names)
    if data and max_drop is not None:
        print(
            build_gated(
                onnx,
                data=data,
                max_drop=max_drop,
                mmse=mmse,
                platform=platform,
                dataset=dataset,
                names=own,
                output=output,
            )
        )
        return
    kind = choose_dtype(platform, dtype, dataset)
    if not generic and onnx.suffix.lower() == ".onnx":
        say_concerns(dataset, onnx, own)
    options = build_options(
        config,
        algorithm=algorithm,
        method=method,
        auto_hybrid=auto_hybrid or None,
        float16=tuple(float16) if float16 else None,
        optimization_level=optimization_level,
        batch=batch,
        mean=mean,
        std=std,
    )
    with bars() as progress:
        made = building.build(
            onnx,
            platform=platform,
            dtype=kind,
            dataset=dataset,
            names=own,
            options=options,
            float16_below=float16_below,
            generic=generic,
            encrypt=encrypt,
            codegen=codegen,
            output=output,
            progress=progress,
        )
    print(made)
    if encrypt:
        print(made.with_suffix(".crypt.rknn"))
    if codegen:
        print(made.with_name(f"{made.stem}-cpp"))
    say_dtype(dtype, dataset)
    say_float16(made, float16_below)
    say_unfit(options, encrypt=encrypt)
