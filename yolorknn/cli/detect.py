"""`yolorknn detect`: boxes on a source."""

from __future__ import annotations

from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from yolorknn.cli.groups import grouped
from yolorknn.cli.on_ray import OnRay
from yolorknn.cli.options import (
    Anchors,
    Contexts,
    Device,
    DeviceId,
    Names,
    Overlap,
    RuntimeOption,
    SimulatorDataset,
    Tile,
    ToolkitOption,
)
from yolorknn.cli.outputs import Outputs
from yolorknn.cli.parse import parse_classes, parse_tiling, place_of
from yolorknn.cli.serving import Serving, watch_and_serve
from yolorknn.cli.show import FramesBar, TellImages, bars, in_words, say, say_simulated, say_summary, tell_seen
from yolorknn.cli.sinks import open_sinks, say_losses
from yolorknn.cli.tracks import Tracks
from yolorknn.errors import BackendError, SourceError

if TYPE_CHECKING:
    from yolorknn.predict.loaded_model import LoadedModel
    from yolorknn.stream.run import Summary
    from yolorknn.stream.sinks.sink import Sink


@grouped
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
    fps: Annotated[
        float | None, typer.Option(help="Of a camera or stream: the most frames a second [default: all].")
    ] = None,
    tile: Tile = None,
    overlap: Overlap = None,
    *,
    tracks: Tracks,
    serving: Serving,
    outputs: Outputs,
    on_ray: OnRay,
    simulate: Annotated[bool, typer.Option("--simulate", help="Run on the vendor's simulator, on a PC.")] = False,
    dataset: SimulatorDataset = None,
    device: Device = False,
    device_id: DeviceId = None,
    toolkit: ToolkitOption = None,
    runtime: RuntimeOption = "auto",
    contexts: Contexts = None,
    names: Names = None,
    anchors: Anchors = None,
) -> None:
    """Draw what is found in SOURCE on it, and write it as JSON lines."""
    from yolorknn.doctor.examine import diagnosed
    from yolorknn.model.anchor_sizes import given_anchors
    from yolorknn.model.class_names import read_names
    from yolorknn.predict.open_model import HERE, open_model
    from yolorknn.runtime.memory import share_arena
    from yolorknn.stream.sources.open_source import has_many_frames
    from yolorknn.tasks.task import Thresholds

    if on_ray.address is not None:
        alone: dict[str, object] = {"--track": tracks.given, "--serve": serving.serve, "--tile": tile, "--names": names}
        alone |= {"--device": device or device_id, "--anchors": anchors, "--contexts": contexts, "--dataset": dataset}
        alone |= {"--fps": fps, "--overlap": overlap, "--serve-token": serving.serve_token, "--toolkit": toolkit}
        on_ray.check(outputs, alone)
        kept = {"conf": conf, "iou": iou, "max_det": max_det, "agnostic_nms": agnostic_nms}
        where = {"simulate": simulate, "runtime": runtime}
        on_ray.run(source, model, outputs.output, classes=parse_classes(classes), **kept, **where)
        return
    on_ray.check_alone()
    tell_seen(source, "SOURCE")
    tell_seen(outputs.webhook, "--webhook")
    outputs.check()
    tracks.check()
    serving.check(source)
    _check_fps(fps, source)
    place = place_of(simulate=simulate, dataset=dataset, device=device, device_id=device_id, toolkit=toolkit)
    tiling = parse_tiling(tile, overlap)
    told: dict[str, Any] = {"names": read_names(names), "anchors": given_anchors(anchors)}
    say_simulated(model, dataset=dataset, simulate=simulate)
    share_arena()
    with ExitStack() as stack:
        with bars() as progress:
            backends = None if place == HERE else open_model(model, place, **told, progress=progress)[1]
        if backends is None:
            stack.enter_context(diagnosed(model))
        loaded = stack.enter_context(
            _loaded(
                model,
                contexts,
                many=has_many_frames(source),
                thresholds=Thresholds(conf, iou, max_det, agnostic_nms=agnostic_nms),
                classes=None if serving.serve else parse_classes(classes),
                **told,
                runtime=runtime,
                backends=backends,
                tiling=tiling,
            )
        )
        outputs.check_task(model, loaded.metadata.task, chosen=bool(classes))
        read = [path for path in (model, model.with_suffix(".json"), names, dataset) if path]
        if serving.serve:
            watch_and_serve(loaded, source, read, tracks, outputs, serving, parse_classes(classes), fps=fps)
            return
        summary = _run(loaded, source, read, tracks, outputs, fps=fps)
    if summary.failures:
        raise SourceError(
            f"{len(summary.failures)} of {summary.frames + len(summary.failures)} frames could not be read: "
            f"{summary.failures[0]}"
        )


def _loaded(model: Path, contexts: int | None, *, many: bool, **options: Any) -> LoadedModel[Any]:
    """Open a model with so many contexts on each NPU core; by default with two for many frames, or else with one."""
    from yolorknn.predict.loaded_model import LoadedModel

    if contexts is not None or not many:
        return LoadedModel(model, contexts=contexts or 1, **options)
    try:
        return LoadedModel(model, contexts=2, **options)
    except BackendError as exc:
        loaded: LoadedModel[Any] = LoadedModel(model, contexts=1, **options)
        say(f"one context on each NPU core is used, as two cannot be opened: {exc}")
        return loaded


def _check_fps(fps: float | None, source: str) -> None:
    from yolorknn.stream.sources.open_source import is_live

    if fps is not None and not 0 < fps <= 1e6:
        raise typer.BadParameter(f"is above 0, and 1000000 at most, not {fps:.15g}", param_hint="--fps")
    if fps is not None and not is_live(source):
        raise typer.BadParameter("is for a camera or stream: of files every frame is taken", param_hint="--fps")


def _run(
    loaded: LoadedModel[Any], source: str, read: list[Path], tracks: Tracks, outputs: Outputs, *, fps: float | None
) -> Summary:
    """Detect on a source, into the sinks that the options ask for, and tell how it went."""
    from yolorknn.stream.run import run
    from yolorknn.stream.run_folder import run_folder
    from yolorknn.tasks.lettering import missing
    from yolorknn.tasks.task import Wording

    wording = Wording.of(loaded.metadata, masks=outputs.masks)
    if outputs.save and (lost := missing(loaded.metadata.names)):
        say(lost)
    with ExitStack() as stack:
        stream = stack.enter_context(loaded.stream(source, fps=fps))
        opened = stream.source
        steps = stack.enter_context(tracks.steps(opened, loaded.metadata))
        folder = None
        if outputs.needs_folder:
            folder = stack.enter_context(run_folder(outputs.output, outputs.name, source=opened.name))
        sinks: list[Sink] = []
        stack.callback(say_losses, sinks)  # once they are closed
        wanted = open_sinks(outputs, opened, folder, read, wording, fps=fps)
        sinks.extend(stack.enter_context(closing(sink)) for sink in wanted)
        if not opened.fps:
            sinks.append(TellImages(wording.names))
        shown = stack.enter_context(FramesBar(opened.name, opened.count))
        try:
            summary = run(stream, sinks, steps=steps, counted=shown.count, skipped=shown.skip)
        except KeyboardInterrupt:
            frames = f"{shown.frames} frame{'s' if shown.frames != 1 else ''}"
            say(f"interrupted after {frames}{f'; results in {folder}' if folder else ''}")
            raise
    if opened.fps or summary.frames > 1:
        say(f"found {in_words(summary.found, wording.names)}")
    say_summary(summary, busy=loaded.busy, dead=len(loaded.dead))
    if folder:
        say(f"results in {folder}")
    return summary
