"""One run of `detect`: a source through a detector into a folder of pictures, a video, and JSON lines."""

from __future__ import annotations

import contextlib
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from yolorknn.detector import Detector
from yolorknn.errors import InferenceError, OutputError, SourceError
from yolorknn.files import check_folder, write_bytes
from yolorknn.image import Image
from yolorknn.stream.result import JsonLines, Result, Timings, record
from yolorknn.stream.sinks.video import VideoWriter
from yolorknn.stream.sources.images import ImageFiles
from yolorknn.stream.sources.source import Source
from yolorknn.stream.stream import Stream
from yolorknn.tasks.drawing import draw


@dataclass(frozen=True)
class Summary:
    """How a run went."""

    frames: int
    failures: tuple[str, ...]
    """What was wrong with frames that could not be read."""


def run(
    detector: Detector,
    source: str,
    *,
    folder: Path,
    name: str | None,
    save: bool,
    json_target: str | None,
    console: Console,
) -> Summary:
    """Detect in every frame; frames that cannot be read are skipped and told at the end.

    Args:
        detector: the model.
        source: see Detector.stream.
        folder: holds one folder a run.
        name: the run's folder; it is made, and may exist. Default: after the source, with a number if that exists.
        save: whether to write annotated pictures or a video.
        json_target: file of JSON lines, "-" for stdout; default is detections.jsonl in the run's folder.
        console: for progress and summary.

    Raises:
        SourceError: the source cannot be opened.
        OutputError: a result cannot be written.
        InferenceError: the runtime failed, or answered no frame at all.
    """
    frames, failures = 0, []
    spent = np.zeros(len(Timings._fields))
    with ExitStack() as stack:
        stream = stack.enter_context(detector.stream(source))
        place = None
        if save or json_target is None:
            place = folder / name if name else _fresh(folder / stream.source.name)
            made = [part for part in (place, *place.parents) if not part.exists()]
            stack.callback(_remove_if_empty, place, made)
            check_folder(place)
        lines = stack.enter_context(JsonLines(json_target or _in(place, "detections.jsonl")))
        pictures = stack.enter_context(_Pictures(place, stream.source)) if save and place else None
        bar = stack.enter_context(_bar(console))
        task = bar.add_task(stream.source.name, total=stream.source.count, fps=0.0)
        start = time.perf_counter()
        while True:
            try:
                result = next(stream)
            except StopIteration:
                break
            except KeyboardInterrupt:
                console.print(f"interrupted after {frames} frames" + (f"; results in {place}" if place else ""))
                raise
            except SourceError as exc:
                if stream.source.count == 1 or not isinstance(stream.source, ImageFiles):
                    raise
                failures.append(str(exc))
                console.print(f"skipped: {exc}")
                continue
            frames += 1
            spent += result.timings
            lines.write(record(result, source=_label(stream.source, result.index), names=detector.names))
            if pictures:
                pictures.write(result, draw(result.frame, result.detections, detector.names))
            bar.update(task, advance=1, fps=frames / (time.perf_counter() - start))
        seconds = time.perf_counter() - start
    count = "1 frame" if frames == 1 else f"{frames} frames"
    console.print(f"{count} in {seconds:.1f} s ({frames / seconds:.1f} FPS{_losses(detector, stream)})")
    if stream.lost and not frames:
        raise InferenceError(f"the NPU answered none of {stream.lost} frames: see 'yolorknn doctor'")
    if frames:
        stages = ", ".join(f"{name} {ms:.1f}" for name, ms in zip(Timings._fields, spent / frames * 1000, strict=True))
        use = " ".join(f"{busy / seconds:.0%}" for busy in detector.busy)
        console.print(f"ms per frame: {stages}; core use {use}")
    if place:
        console.print(f"results in {place}")
    return Summary(frames, tuple(failures))


class _Pictures:
    """Writes annotated frames: images under their own names, anything else as one video."""

    def __init__(self, folder: Path, source: Source) -> None:
        self._folder, self._source = folder, source
        self._video: VideoWriter | None = None

    def write(self, result: Result, picture: Image) -> None:
        if isinstance(self._source, ImageFiles):
            path = self._folder / self._source.paths[result.index].name
            ok, data = cv2.imencode(path.suffix, picture)
            if not ok:
                raise OutputError(f"cannot encode {path}")
            write_bytes(path, data.tobytes())
            return
        if self._video is None:
            target = self._folder / f"{self._source.name}.mp4"
            self._video = VideoWriter(target, fps=self._source.fps or 30.0, size=(picture.shape[0], picture.shape[1]))
        self._video.write(picture)

    def __enter__(self) -> _Pictures:
        return self

    def __exit__(self, *exc: object) -> None:
        if self._video is not None:
            self._video.__exit__(*exc)


def _fresh(place: Path) -> Path:
    """Return the path, or the first of path-2, path-3, ... that does not exist."""
    number, fresh = 2, place
    while fresh.exists():
        fresh = place.with_name(f"{place.name}-{number}")
        number += 1
    return fresh


def _remove_if_empty(place: Path, made: list[Path]) -> None:
    """Leave no trace of a run that failed before its first frame; `made` are its folders, the innermost first."""
    lines = place / "detections.jsonl"
    with contextlib.suppress(OSError):
        if lines.exists() and lines.stat().st_size == 0:
            lines.unlink()
        for folder in made:
            folder.rmdir()


def _in(place: Path | None, name: str) -> Path:
    assert place is not None
    return place / name


def _label(source: Source, index: int) -> str:
    return str(source.paths[index]) if isinstance(source, ImageFiles) else source.name


def _bar(console: Console) -> Progress:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[fps]:.1f} FPS"),
    )
    return Progress(*columns, TimeRemainingColumn(), console=console, transient=True, disable=not console.is_terminal)


def _losses(detector: Detector, stream: Stream) -> str:
    """Return what there was of frames dropped, frames lost and cores dead."""
    counts = (
        (stream.dropped, "dropped"),
        (stream.lost, "lost to a hung NPU core"),
        (len(detector.dead), "NPU cores taken out of use"),
    )
    return "".join(f", {count} {what}" for count, what in counts if count)
