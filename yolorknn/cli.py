"""The command line: parse, call, print. One function per command."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

import yolorknn
from yolorknn.errors import SourceError
from yolorknn.metadata import Head
from yolorknn.options import (
    Dataset,
    DtypeOption,
    Names,
    Output,
    Platform,
    bars,
    err,
    parse_imgsz,
    read_names,
    say_dtype,
)

if TYPE_CHECKING:
    from yolorknn.detector import Detector

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(value: bool) -> None:
    if value:
        print(f"yolorknn {yolorknn.__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Ultralytics YOLO detectors on Rockchip NPUs: export, build, detect."""


@app.command()
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
    output: Output = None,
) -> None:
    """Make CHECKPOINT.onnx of a .pt, and of that the .rknn."""
    from yolorknn.convert import build as building
    from yolorknn.convert import export as exporting
    from yolorknn.convert.calibrate import CalibrationSet

    if onnx_only and (dtype or dataset):
        raise typer.BadParameter("builds no .rknn: leave out --dtype and --dataset", param_hint="--onnx-only")
    if not onnx_only:
        kind = building.choose_dtype(platform, dtype, dataset)
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
    if not onnx_only:
        with bars() as progress:
            built = building.build(
                made, platform=platform, dtype=kind, dataset=dataset, output=output, progress=progress
            )
        print(built)
        say_dtype(dtype, dataset)


@app.command()
def build(
    onnx: Annotated[Path, typer.Argument(help="An .onnx of a detector.", metavar="ONNX")],
    platform: Platform = "rk3588",
    dtype: DtypeOption = None,
    dataset: Dataset = None,
    names: Names = None,
    output: Output = None,
) -> None:
    """Make ONNX-PLATFORM-DTYPE.rknn of an .onnx."""
    from yolorknn.convert import build as building

    kind = building.choose_dtype(platform, dtype, dataset)
    own = read_names(names)
    with bars() as progress:
        made = building.build(
            onnx, platform=platform, dtype=kind, dataset=dataset, names=own, output=output, progress=progress
        )
    print(made)
    say_dtype(dtype, dataset)


@app.command()
def detect(
    source: Annotated[
        str,
        typer.Argument(
            help="An image, folder, glob, video, camera0, /dev/video0, or a stream's URL.", metavar="SOURCE"
        ),
    ],
    model: Annotated[Path, typer.Option("-m", "--model", help="A .rknn on the board, an .onnx anywhere.")],
    conf: Annotated[float, typer.Option(min=0, max=1, help="Confidence threshold.")] = 0.25,
    iou: Annotated[float, typer.Option(min=0, max=1, help="IoU threshold of NMS.")] = 0.7,
    classes: Annotated[str | None, typer.Option(help="Class ids or names to keep: 0,2 or person,car.")] = None,
    max_det: Annotated[int, typer.Option(min=1, help="Most boxes per image.")] = 300,
    save: Annotated[bool, typer.Option("--save/--no-save", help="Write annotated images or video.")] = True,
    json_file: Annotated[
        str | None, typer.Option("--json", help="File for the JSON lines, - for stdout [default: in the run's folder].")
    ] = None,
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder that holds the runs.")] = Path("runs/detect"),
    name: Annotated[str | None, typer.Option(help="The run's folder [default: after the source].")] = None,
    simulate: Annotated[bool, typer.Option("--simulate", help="Run on the vendor's simulator, on a PC.")] = False,
    dataset: Annotated[Path | None, typer.Option(help="With --simulate: calibration images for i8.")] = None,
    names: Names = None,
) -> None:
    """Draw boxes on SOURCE and write them as JSON lines."""
    from yolorknn.detector import Detector
    from yolorknn.doctor import diagnosed
    from yolorknn.run import run

    kept = None if classes is None else [entry.strip() for entry in classes.split(",")]
    own = read_names(names)
    with ExitStack() as stack:
        backends = None
        if simulate:
            from yolorknn.backends.simulator import SimulatorBackend

            with bars() as progress:
                backends = [SimulatorBackend(model, dataset=dataset, names=own, progress=progress)]
        else:
            stack.enter_context(diagnosed(model))
        detector: Detector = stack.enter_context(
            Detector(model, conf=conf, iou=iou, classes=kept, max_det=max_det, names=own, backends=backends)
        )
        summary = run(detector, source, folder=output, name=name, save=save, json_target=json_file, console=err)
    if summary.failures:
        raise SourceError(
            f"{len(summary.failures)} of {summary.frames + len(summary.failures)} frames could not be read: "
            f"{summary.failures[0]}"
        )


@app.command()
def info(
    file: Annotated[Path, typer.Argument(help="A .pt, .onnx or .rknn.", metavar="FILE")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Say what a model file says of itself."""
    from yolorknn.info import describe

    facts = describe(file)
    if as_json:
        print(json.dumps(facts, ensure_ascii=False, indent=2))
        return
    for key, value in facts.items():
        print(f"{key:<15} {value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}")


@app.command()
def doctor(
    model: Annotated[Path | None, typer.Option("-m", "--model", help="A .rknn that is to run on this board.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of lines.")] = False,
) -> None:
    """Say what on this machine, a board or a PC, keeps yolorknn from working; status 1 if something does."""
    from yolorknn.doctor import examine

    findings = examine(model=model)
    if as_json:
        print(json.dumps([vars(finding) for finding in findings], ensure_ascii=False, indent=2))
    out = Console(highlight=False, soft_wrap=True, markup=False, quiet=as_json)
    for finding in findings:
        out.print(
            f"{finding.status:<8}", style={"ok": "green", "warning": "yellow", "problem": "red"}[finding.status], end=""
        )
        what = finding.text if finding.check in finding.text else f"{finding.check}: {finding.text}"
        out.print(f" {what}" + (f"\n         fix: {finding.fix}" if finding.fix else ""))
    if any(finding.status == "problem" for finding in findings):
        raise typer.Exit(1)


@app.command()
def bench(
    model: Annotated[Path, typer.Argument(help="A .rknn on the board, an .onnx anywhere.", metavar="MODEL")],
    source: Annotated[str | None, typer.Option(help="Frames to use [default: made-up 1920x1080 pictures].")] = None,
    seconds: Annotated[float, typer.Option(min=0.1, help="How long each setting runs.")] = 2.0,
    npu_ms: Annotated[
        float | None, typer.Option("--npu-ms", min=0.1, help="Simulate an NPU that takes so long, on any machine.")
    ] = None,
    cores: Annotated[int, typer.Option(min=1, max=16, help="Cores of the simulated NPU.")] = 3,
    fps: Annotated[
        float | None, typer.Option(min=0.1, help="Give the frames as a live camera would [default: at full speed].")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
    plot: Annotated[Path | None, typer.Option(help="Draw it to this .png or .svg.")] = None,
) -> None:
    """Measure latency by stage and throughput by cores and workers, and say what limits it."""
    from yolorknn import bench as benching

    with bars() as progress:
        report = benching.bench(
            model, source=source, seconds=seconds, npu_ms=npu_ms, cores=cores, fps=fps, progress=progress
        )
    if plot:
        benching.plot(report, plot)
    print(json.dumps(report.to_json(), indent=2) if as_json else report.table())
