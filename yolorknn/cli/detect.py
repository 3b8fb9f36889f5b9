"""`yolorknn detect`: boxes on a source."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from yolorknn.cli.options import Device, DeviceId, Names, bars, err, place_of, read_names
from yolorknn.errors import SourceError

if TYPE_CHECKING:
    from yolorknn.detector import Detector


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
    agnostic_nms: Annotated[
        bool, typer.Option("--agnostic-nms", help="Let a box suppress overlapping ones of other classes too.")
    ] = False,
    save: Annotated[bool, typer.Option("--save/--no-save", help="Write annotated images or video.")] = True,
    json_file: Annotated[
        str | None, typer.Option("--json", help="File for the JSON lines, - for stdout [default: in the run's folder].")
    ] = None,
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder that holds the runs.")] = Path("runs/detect"),
    name: Annotated[str | None, typer.Option(help="The run's folder [default: after the source].")] = None,
    simulate: Annotated[bool, typer.Option("--simulate", help="Run on the vendor's simulator, on a PC.")] = False,
    dataset: Annotated[Path | None, typer.Option(help="With --simulate: calibration images for i8.")] = None,
    device: Device = False,
    device_id: DeviceId = None,
    names: Names = None,
) -> None:
    """Draw boxes on SOURCE and write them as JSON lines."""
    from yolorknn.detector import Detector
    from yolorknn.doctor.examine import diagnosed
    from yolorknn.runtime.memory import share_arena
    from yolorknn.stream.run import run

    place = place_of(simulate=simulate, dataset=dataset, device=device, device_id=device_id)
    kept = None if classes is None else [entry.strip() for entry in classes.split(",")]
    own = read_names(names)
    if simulate and dataset is None and model.suffix.lower() == ".onnx":
        err.print("simulating fp16; pass --dataset to simulate int8")
    share_arena()
    with ExitStack() as stack:
        with bars() as progress:
            backends = place.backends(model, names=own, progress=progress)
        if backends is None:
            stack.enter_context(diagnosed(model))
        detector: Detector = stack.enter_context(
            Detector(
                model,
                conf=conf,
                iou=iou,
                classes=kept,
                max_det=max_det,
                agnostic_nms=agnostic_nms,
                names=own,
                backends=backends,
            )
        )
        summary = run(detector, source, folder=output, name=name, save=save, json_target=json_file, console=err)
    if summary.failures:
        raise SourceError(
            f"{len(summary.failures)} of {summary.frames + len(summary.failures)} frames could not be read: "
            f"{summary.failures[0]}"
        )
