"""From an .onnx to a .rknn as `build` and `export` do it: make it, print its path, and say what to know of it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from yolorknn.cli.groups import Gate, Quantization, Target
from yolorknn.cli.show import Report, bars, put, say, say_concerns, say_dtype, say_float16, say_plugins, say_unfit
from yolorknn.cli.spread import spread_at
from yolorknn.errors import AccuracyError

if TYPE_CHECKING:
    from yolorknn.convert.recipe.build_options import BuildOptions
    from yolorknn.measure.gate_plan import GatePlan
    from yolorknn.model.anchor_sizes import AnchorSizes


def make_rknn(
    model: Path,
    target: Target,
    quantization: Quantization,
    options: BuildOptions,
    *,
    names: list[str] | None = None,
    anchors: AnchorSizes | None = None,
    generic: bool = False,
    encrypt: int = 0,
    codegen: bool = False,
    sha256: str | None = None,
    output: Path | None = None,
) -> Path:
    """Build as the options say; return the .rknn. Of a model that is not this `sha256` none is built."""
    from yolorknn.convert.build import build
    from yolorknn.convert.recipe.request import BuildRequest

    request = BuildRequest(model, target.platform, target.dtype, target.dataset)
    dtype = request.decided()
    if not generic and model.suffix.lower() == ".onnx":
        say_concerns(target.dataset, model, names, anchors)
    with bars() as progress:
        made = build(
            model,
            platform=target.platform,
            dtype=dtype,
            dataset=target.dataset,
            names=names,
            anchors=anchors,
            options=options,
            float16_below=quantization.float16_below,
            generic=generic,
            encrypt=encrypt,
            codegen=codegen,
            toolkit=target.toolkit,
            sha256=sha256,
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
    if options.custom_ops:
        say_plugins(made)
    say_float16(made, quantization.float16_below)
    say_unfit(options, encrypt=encrypt)
    return made


def make_first(
    model: Path,
    target: Target,
    options: BuildOptions,
    *,
    names: list[str] | None = None,
    anchors: AnchorSizes | None = None,
    codegen: bool = False,
    sha256: str | None = None,
    output: Path | None = None,
) -> None:
    """Build for a chip of the first generation."""
    from yolorknn.convert.first.build import build_first
    from yolorknn.convert.first.plan import FirstRequest

    request = FirstRequest(model, target.chip, target.dtype, target.dataset, names, anchors, options, sha256=sha256)
    say_concerns(target.dataset, model, names, anchors)
    with bars() as progress:
        made = build_first(
            request,
            python=target.toolkit1,
            precompile=target.precompile,
            codegen=codegen,
            output=output,
            progress=progress,
        )
    put(made)
    if codegen:
        put(made.with_name(f"{made.stem}-cpp"))
    if target.dtype is None and target.dataset is None:
        say_dtype("fp16")


def make_rknn_within(
    onnx: Path,
    target: Target,
    gate: Gate,
    plan: GatePlan,
    *,
    names: list[str] | None = None,
    anchors: AnchorSizes | None = None,
    sha256: str | None = None,
    output: Path | None = None,
) -> None:
    """Build by the first recipe that passes the gate, and tell which were tried."""
    from yolorknn.convert.recipe.request import BuildRequest
    from yolorknn.measure.gate import build_within

    assert gate.max_drop is not None, "Gate.check() has seen to it"
    request = BuildRequest(onnx, target.platform, names=names, anchors=anchors, toolkit=target.toolkit, sha256=sha256)
    say_concerns(target.dataset, onnx, names, anchors)
    _told(partial(build_within, request, plan, max_drop=gate.max_drop, mmse=gate.mmse, output=output), gate.ray)


def make_any_within(
    model: Path, target: Target, gate: Gate, options: BuildOptions, *, output: Path | None = None
) -> None:
    """Build a model that is no detector by the first recipe that passes the gate, and tell which were tried."""
    from yolorknn.convert.recipe.request import BuildRequest
    from yolorknn.measure.gate_any import build_any_within

    assert gate.max_drop is not None and gate.data is not None, "Gate.check() has seen to it"
    request = BuildRequest(
        model, target.platform, dataset=target.dataset, options=options, generic=True, toolkit=target.toolkit
    )
    wanted: dict[str, Any] = {"max_drop": gate.max_drop, "metric": gate.metric, "mmse": gate.mmse}
    _told(partial(build_any_within, request, gate.data, **wanted, output=output), gate.ray)


def _told(within: Callable[..., tuple[Path, Report]], address: str | None) -> None:
    """Build by the first recipe that passes, and tell which were tried; whether one passed or none."""
    try:
        with spread_at(address) as spread, bars() as progress:
            made, report = within(spread=spread, progress=progress)
    except AccuracyError as exc:
        say(exc.table, lines=True)
        raise
    say(report.table(), lines=True)
    put(made)
