"""From an .onnx to a .rknn as `build` and `export` do it: make it, print its path, and say what to know of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from yolorknn.cli.groups import Gate, Quantization, Target
from yolorknn.cli.show import bars, put, say, say_concerns, say_dtype, say_float16, say_unfit
from yolorknn.errors import AccuracyError

if TYPE_CHECKING:
    from yolorknn.convert.recipe.build_options import BuildOptions
    from yolorknn.measure.gate_plan import GatePlan


def make_rknn(
    model: Path,
    target: Target,
    quantization: Quantization,
    options: BuildOptions,
    *,
    names: list[str] | None = None,
    generic: bool = False,
    encrypt: int = 0,
    codegen: bool = False,
    output: Path | None = None,
) -> None:
    """Build as the options say."""
    from yolorknn.convert.build import build
    from yolorknn.convert.recipe.request import BuildRequest

    request = BuildRequest(model, target.platform, target.dtype, target.dataset)
    dtype = request.decided()
    if not generic and model.suffix.lower() == ".onnx":
        say_concerns(target.dataset, model, names)
    with bars() as progress:
        made = build(
            model,
            platform=target.platform,
            dtype=dtype,
            dataset=target.dataset,
            names=names,
            options=options,
            float16_below=quantization.float16_below,
            generic=generic,
            encrypt=encrypt,
            codegen=codegen,
            output=output,
            progress=progress,
        )
    put(made)
    if encrypt:
        put(made.with_suffix(".crypt.rknn"))
    if codegen:
        put(made.with_name(f"{made.stem}-cpp"))
    if target.dtype is None and target.dataset is None:
        say_dtype(dtype)
    say_float16(made, quantization.float16_below)
    say_unfit(options, encrypt=encrypt)


def make_rknn_within(
    onnx: Path,
    target: Target,
    gate: Gate,
    plan: GatePlan,
    *,
    names: list[str] | None = None,
    output: Path | None = None,
) -> None:
    """Build by the first recipe that passes the gate, and tell which were tried."""
    from yolorknn.convert.recipe.request import BuildRequest
    from yolorknn.measure.gate import build_within

    assert gate.max_drop is not None, "Gate.check() has seen to it"
    request = BuildRequest(onnx, target.platform, names=names)
    say_concerns(target.dataset, onnx, names)
    try:
        with bars() as progress:
            made, report = build_within(
                request, plan, max_drop=gate.max_drop, mmse=gate.mmse, output=output, progress=progress
            )
    except AccuracyError as exc:
        say(exc.table, lines=True)
        raise
    say(report.table(), lines=True)
    put(made)
