"""`yolorknn bench`: how fast, and what limits it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from yolorknn.cli.options import Anchors, AsJson, Device, DeviceId, Overlap, Plot, Tile, ToolkitOption
from yolorknn.cli.parse import check_plot, parse_tiling
from yolorknn.cli.show import bars, print_report, tell_seen


def bench_command(
    model: Annotated[Path, typer.Argument(help="A .rknn on the board, an .onnx anywhere.", metavar="MODEL")],
    source: Annotated[str | None, typer.Option(help="Frames to use [default: made-up 1920x1080 pictures].")] = None,
    seconds: Annotated[float, typer.Option(min=0.1, max=86_400, help="How long each setting runs.")] = 2.0,
    npu_ms: Annotated[
        float | None,
        typer.Option("--npu-ms", min=0.1, max=60_000, help="Simulate an NPU that takes so long, on any machine."),
    ] = None,
    cores: Annotated[int, typer.Option(min=1, max=16, help="Cores of the simulated NPU.")] = 3,
    fps: Annotated[
        float | None, typer.Option(min=0.1, help="Give the frames as a live camera would [default: at full speed].")
    ] = None,
    runtime: Annotated[
        Literal["lite", "c"] | None,
        typer.Option(help="On a board: rknn-toolkit-lite2, or librknnrt directly [default: each that there is]."),
    ] = None,
    contexts: Annotated[int, typer.Option(min=1, max=8, help="On a board: the most on each NPU core.")] = 2,
    tile: Tile = None,
    overlap: Overlap = None,
    anchors: Anchors = None,
    as_json: AsJson = False,
    plot: Plot = None,
    device: Device = False,
    device_id: DeviceId = None,
    toolkit: ToolkitOption = None,
) -> None:
    """Measure latency by stage and throughput by cores and workers, and say what limits it.

    With --device: the vendor's measurement on a board attached over adb, of inference alone and of memory.
    """
    if device or device_id:
        if source or npu_ms or fps or plot or tile or anchors:
            what = "--source, --npu-ms, --fps, --tile, --anchors and --plot do not go with it"
            raise typer.BadParameter(what, param_hint="--device")
        from yolorknn.convert.device import measure

        with bars() as progress:
            profile = measure(model, device_id=device_id, toolkit=toolkit, progress=progress)
        print_report(profile, as_json=as_json)
        return
    if toolkit:
        raise typer.BadParameter("is for --device", param_hint="--toolkit")
    from yolorknn.measure.bench import bench
    from yolorknn.measure.bench_any import bench_any
    from yolorknn.measure.bench_report import draw
    from yolorknn.model.anchor_sizes import given_anchors
    from yolorknn.runtime.memory import share_arena
    from yolorknn.tasks.known import why_no_detector

    if npu_ms is None and not anchors and (why := why_no_detector(model)) is not None:
        if source or fps or plot or tile:
            what = "--source, --fps, --tile and --plot are for models that see pictures"
            raise typer.BadParameter(f"{what}: {why or 'it was built as it is'}", param_hint="MODEL")
        share_arena()
        with bars() as progress:
            measured = bench_any(model, seconds=seconds, runtime=runtime, contexts=contexts, progress=progress)
        print_report(measured, as_json=as_json)
        return
    tiling = parse_tiling(tile, overlap)
    check_plot(plot)
    tell_seen(source, "--source")
    share_arena()
    with bars() as progress:
        report = bench(
            model,
            source=source,
            seconds=seconds,
            npu_ms=npu_ms,
            cores=cores,
            fps=fps,
            runtime=runtime,
            contexts=contexts,
            tiling=tiling,
            anchors=given_anchors(anchors),
            progress=progress,
        )
    if plot:
        draw(report, plot)
    print_report(report, as_json=as_json)
