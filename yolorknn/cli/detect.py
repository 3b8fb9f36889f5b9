"""`yolorknn detect`: boxes on a source."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from yolorknn.cli.options import Contexts, Device, DeviceId, Names, RuntimeOption, SimulatorDataset
from yolorknn.cli.parse import check_lines, parse_classes, place_of, read_names
from yolorknn.cli.show import FramesBar, TellImages, bars, in_words, say, say_summary
from yolorknn.errors import SourceError

if TYPE_CHECKING:
    from yolorknn.predict.loaded_model import LoadedModel
    from yolorknn.stream.run import Summary
    from yolorknn.stream.sinks.sink import Sink
    from yolorknn.stream.sources.source import Source
    from yolorknn.tasks.task import MaskForm, Wording


def detect_command(
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
    save: Annotated[
        bool,
        typer.Option(
            "--save/--no-save",
            help="Write annotated images or video. --no-save alone makes the run's folder too, for the JSON lines.",
        ),
    ] = True,
    json_file: Annotated[
        str | None,
        typer.Option(
            "--json",
            help="File for the JSON lines, its folder made if absent; - for stdout [default: in the run's folder].",
        ),
    ] = None,
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder that holds the runs.")] = Path("runs/detect"),
    masks: Annotated[
        Literal["rle", "polygons"], typer.Option(help="How the JSON lines give masks: COCO's run lengths, or polygons.")
    ] = "rle",
    name: Annotated[str | None, typer.Option(help="The run's folder [default: after the source].")] = None,
    simulate: Annotated[bool, typer.Option("--simulate", help="Run on the vendor's simulator, on a PC.")] = False,
    dataset: SimulatorDataset = None,
    device: Device = False,
    device_id: DeviceId = None,
    runtime: RuntimeOption = "auto",
    contexts: Contexts = None,
    names: Names = None,
) -> None:
    """Draw what is found in SOURCE on it, and write it as JSON lines."""
    from yolorknn.doctor.examine import diagnosed
    from yolorknn.predict.loaded_model import LoadedModel
    from yolorknn.predict.open_model import HERE, open_model
    from yolorknn.runtime.memory import share_arena
    from yolorknn.stream.sources.open_source import has_many_frames
    from yolorknn.tasks.task import Thresholds

    place = place_of(simulate=simulate, dataset=dataset, device=device, device_id=device_id)
    own = read_names(names)
    if simulate and dataset is None and model.suffix.lower() == ".onnx":
        say("simulating fp16; pass --dataset to simulate int8")
    share_arena()
    with ExitStack() as stack:
        with bars() as progress:
            backends = None if place == HERE else open_model(model, place, names=own, progress=progress)[1]
        if backends is None:
            stack.enter_context(diagnosed(model))
        loaded: LoadedModel[Any] = stack.enter_context(
            LoadedModel(
                model,
                thresholds=Thresholds(conf, iou, max_det, agnostic_nms=agnostic_nms),
                classes=parse_classes(classes),
                names=own,
                runtime=runtime,
                contexts=contexts or (2 if has_many_frames(source) else 1),
                backends=backends,
            )
        )
        read = [path for path in (model, model.with_suffix(".json"), names, dataset) if path]
        summary = _run(loaded, source, read, output=output, name=name, save=save, json_file=json_file, masks=masks)
    if summary.failures:
        raise SourceError(
            f"{len(summary.failures)} of {summary.frames + len(summary.failures)} frames could not be read: "
            f"{summary.failures[0]}"
        )


def _run(
    loaded: LoadedModel[Any],
    source: str,
    read: list[Path],
    *,
    output: Path,
    name: str | None,
    save: bool,
    json_file: str | None,
    masks: MaskForm,
) -> Summary:
    """Detect on a source, into the sinks that the options ask for, and tell how it went."""
    from yolorknn.stream.run import run
    from yolorknn.stream.run_folder import run_folder
    from yolorknn.tasks.lettering import missing
    from yolorknn.tasks.task import Wording

    wording = Wording.of(loaded.metadata, masks=masks)
    if save and (lost := missing(loaded.metadata.names)):
        say(lost)
    with ExitStack() as stack:
        stream = stack.enter_context(loaded.stream(source))
        opened = stream.source
        folder = None
        if save or not json_file:
            folder = stack.enter_context(run_folder(output, name, source=opened.name))
        wanted = _sinks(opened, folder, json_file, read, save=save, wording=wording)
        sinks = [stack.enter_context(closing(sink)) for sink in wanted]
        if not opened.fps:
            sinks.append(TellImages(wording.names))
        shown = stack.enter_context(FramesBar(opened.name, opened.count))
        try:
            summary = run(stream, sinks, counted=shown.count, skipped=shown.skip)
        except KeyboardInterrupt:
            say(f"interrupted after {shown.frames} frames" + (f"; results in {folder}" if folder else ""))
            raise
    if opened.fps or summary.frames > 1:
        say(f"found {in_words(summary.found, wording.names)}")
    say_summary(summary, busy=loaded.busy, dead=len(loaded.dead))
    if folder:
        say(f"results in {folder}")
    return summary


def _sinks(
    source: Source, folder: Path | None, json_file: str | None, read: list[Path], *, save: bool, wording: Wording
) -> Iterator[Sink]:
    """Open one sink after another, so that each can be closed if the next cannot be opened.

    Raises:
        OutputError: one would write over what is read: `read`, or the source's files.
    """
    from yolorknn.files import check_apart
    from yolorknn.stream.run_folder import LINES
    from yolorknn.stream.sinks.json_lines import JsonLines
    from yolorknn.stream.sinks.pictures import Pictures
    from yolorknn.stream.sinks.video import Video
    from yolorknn.stream.sources.open_source import files_of

    files = files_of(source)
    lines = Path(json_file) if json_file else folder / LINES if folder else None
    video = folder / f"{source.name}.mp4" if save and folder and source.fps else None
    pictures = Pictures(folder, wording.names, files) if save and folder and not video else None
    check_lines(json_file)
    outputs = [lines] if lines and json_file != "-" else []
    outputs += [video, video.with_suffix(".mkv")] if video else []
    outputs += [pictures.target(str(file)) for file in files] if pictures else []
    check_apart(outputs, [*read, *files])
    if lines:
        yield JsonLines(json_file or lines, wording)
    if video:
        yield Video(video, fps=source.fps, names=wording.names, told=say)
    if pictures:
        yield pictures
