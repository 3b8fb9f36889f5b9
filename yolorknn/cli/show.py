"""What is shown while a command works and when it has: sentences and bars on stderr, results on stdout."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bars

from yolorknn.cli.terminal import Terminal
from yolorknn.text import dumps, has_password, printable, shown

if TYPE_CHECKING:
    from yolorknn.convert.recipe.build_options import BuildOptions
    from yolorknn.errors import SourceError
    from yolorknn.model.anchor_sizes import AnchorSizes
    from yolorknn.model.platforms import Dtype
    from yolorknn.progress import Progress
    from yolorknn.stream.result import Result
    from yolorknn.stream.run import Summary

err = Terminal()


def say(text: str, *, lines: bool = False) -> None:
    """Tell on stderr what happens, as shown() makes it safe; with `lines`, its line ends are ours."""
    with suppress(OSError):  # the terminal is gone, which ends nothing: what is to be finished is
        err.print(shown(text, lines=lines))


def tell_seen(url: str | None, option: str) -> None:
    """Tell that others see the password in a URL of the command line, where there is one."""
    if url and has_password(url):
        keep = "to keep it to yourself, write the URL into a file of yours, and give @FILE"
        say(f"ps shows the password in {option} to everybody on this machine: {keep}")


def put(text: object, *, lines: bool = False) -> None:
    """Print a result on stdout, as shown() makes it safe; with `lines`, its line ends are ours."""
    print(shown(text, lines=lines))


def put_json(value: Any) -> None:
    """Print a result on stdout as JSON for people and programs."""
    print(dumps(value, indent=2))


class Report(Protocol):
    """What a command found out."""

    def table(self) -> str:
        """Return it as lines for people."""

    def to_json(self) -> dict[str, Any]:
        """Return it as plain JSON values."""


def print_report(report: Report, *, as_json: bool) -> None:
    """Print a result on stdout, as its table or as JSON."""
    if as_json:
        put_json(report.to_json())
    else:
        put(report.table(), lines=True)


@contextmanager
def bars() -> Iterator[Progress]:
    """Show one bar that is renamed from stage to stage."""
    columns = (
        TextColumn("{task.description:<20}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
    )
    with Bars(*columns, console=err, transient=True, disable=not err.is_terminal) as drawn:
        task = drawn.add_task("", total=1.0)
        yield lambda stage, done: drawn.update(task, description=printable(stage), completed=done)


class FramesBar:
    """A bar of the frames of a run, with how many a second there are, and sentences about those skipped."""

    def __init__(self, name: str, total: int | None) -> None:
        """Show it under a name; `total` is how many frames there are, where that is known."""
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[fps]:.1f} FPS"),
            TimeRemainingColumn(),
        )
        self.frames = 0
        self._bars = Bars(*columns, console=err, transient=True, disable=not err.is_terminal)
        self._task = self._bars.add_task(printable(name), total=total, fps=0.0)
        self._start = time.perf_counter()

    def count(self, frames: int) -> None:
        """Show that so many are done."""
        self.frames = frames
        self._bars.update(self._task, completed=frames, fps=frames / (time.perf_counter() - self._start))

    def skip(self, error: SourceError) -> None:
        """Tell why one is skipped."""
        say(f"skipped: {error}")

    def __enter__(self) -> FramesBar:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()


class TellImages:
    """A sink that tells of each image what was found in it."""

    def __init__(self, names: Mapping[int, str]) -> None:
        """Call classes as `names` says."""
        self._names = names

    def write(self, result: Result[Any]) -> None:
        """Tell it in a line."""
        from yolorknn.tasks.classification import counted_classes

        say(f"{result.source}: {in_words(Counter(counted_classes(result.detections)), self._names)}")

    def close(self) -> None:
        """Nothing is held."""


def in_words(found: Mapping[int, int], names: Mapping[int, str]) -> str:
    """Return counts by class id as people say them, the most frequent first: 4 persons, 1 bus."""
    ordered = sorted(found.items(), key=lambda pair: (-pair[1], pair[0]))
    counts = [f"{count} {names[number] if count == 1 else _plural(names[number])}" for number, count in ordered]
    return ", ".join(counts) or "nothing"


def _plural(name: str) -> str:
    """Return the English plural of a name that may be English; one that seems to be one, or is none, stays."""
    if not (name.isascii() and name[-1:].isalpha() and name[-1:].islower()):
        return name
    if name.endswith(("ss", "us", "x", "z", "ch", "sh")):
        return f"{name}es"
    if name.endswith("s"):
        return name
    return f"{name[:-1]}ies" if name.endswith("y") and name[-2:-1] not in "aeiou" else f"{name}s"


def say_summary(summary: Summary, *, busy: tuple[float, ...], dead: int) -> None:
    """Tell how a run went.

    Args:
        summary: what its loop counted.
        busy: seconds that each core was in use.
        dead: how many cores were taken out of use.

    Raises:
        InferenceError: the NPU answered no frame.
    """
    count = "1 frame" if summary.frames == 1 else f"{summary.frames} frames"
    counts = (
        (summary.dropped, "dropped"),
        (summary.lost, "lost to a hung NPU core"),
        (dead, "NPU cores taken out of use"),
    )
    losses = "".join(f", {number} {what}" for number, what in counts if number)
    say(f"{count} in {summary.seconds:.1f} s ({summary.frames / summary.seconds:.1f} FPS{losses})")
    summary.check_answered()
    if summary.frames:
        stages = ", ".join(f"{name} {1000 * seconds:.1f}" for name, seconds in summary.stages._asdict().items())
        use = " ".join(f"{seconds / summary.seconds:.0%}" for seconds in busy)
        say(f"ms per frame: {stages}; core use {use}")


def say_concerns(
    dataset: Path | None, model: Path, names: list[str] | None = None, anchors: AnchorSizes | None = None
) -> None:
    """Say what makes a poor calibration set of the dataset, for a model."""
    if dataset is not None:
        from yolorknn.data.calibration_set import CalibrationSet
        from yolorknn.predict.open_model import read_metadata
        from yolorknn.tasks.known import task_of

        metadata = read_metadata(model, names=names, anchors=anchors)
        opened = CalibrationSet.open(dataset)
        if opened.live is None:  # which would be read twice
            for concern in opened.concerns(task_of(metadata).canvas(metadata.imgsz)):
                say(f"warning: {concern}")


def say_simulated(model: Path, *, dataset: Path | None, simulate: bool) -> None:
    """Tell a user who chose nothing as what an .onnx is simulated."""
    if simulate and dataset is None and model.suffix.lower() == ".onnx":
        say("simulating fp16; pass --dataset to simulate int8")


def say_dtype(dtype: Dtype) -> None:
    """Tell a user who chose nothing what was chosen."""
    if dtype == "i8":
        say("built i8, as the model is quantized already")
    else:
        say("built fp16, as no --dataset was given; i8 is faster on the NPU and needs one to calibrate with")


def say_plugins(rknn: Path) -> None:
    """Tell what the board needs for custom ops of the user."""
    from yolorknn.model import rknn_file
    from yolorknn.model.custom_ops import folder_of

    recorded = rknn_file.read(rknn).recorded()
    for op in recorded.build.custom_ops if recorded and recorded.build else ():
        say(f"on the board {op} needs a plug-in: write its kernel() in {rknn.parent / folder_of(op)}, and compile it")


def say_float16(rknn: Path, below: float | None) -> None:
    """Tell which layers --float16-below found."""
    if below is not None:
        from yolorknn.model import rknn_file

        recorded = rknn_file.read(rknn).recorded()
        build = recorded.build if recorded else None
        kept = build.options.get("float16", []) if build else []
        what = f"{len(kept)} layers have a cosine below {below:g} and stay in float16: {', '.join(kept)}"
        say(what if kept else f"no layer has a cosine below {below:g}: all are int8")


def say_unfit(options: BuildOptions, *, encrypt: int) -> None:
    """Tell what runs a model that the detector cannot run."""
    from yolorknn.model.fit import check_fit
    from yolorknn.model.metadata import Build

    if why := check_fit(Build("", "i8", "", options=options.recorded())):
        say(f"'yolorknn detect' does not run this model: {why}")
    if encrypt:
        say("'yolorknn detect' does not run the encrypted model: programs that call rknn_init run it")
