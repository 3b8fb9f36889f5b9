"""What is shown on stderr while a command works, and when it has."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bars

if TYPE_CHECKING:
    from yolorknn.errors import SourceError
    from yolorknn.progress import Progress
    from yolorknn.stream.run import Summary

err = Console(stderr=True, highlight=False, soft_wrap=True)


@contextmanager
def bars() -> Iterator[Progress]:
    """Show one bar that is renamed from stage to stage."""
    columns = (TextColumn("{task.description:<20}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Bars(*columns, console=err, transient=True, disable=not err.is_terminal) as shown:
        task = shown.add_task("", total=1.0)
        yield lambda stage, done: shown.update(task, description=stage, completed=done)


class FramesBar:
    """A bar of the frames of a run, with how many a second there are, and sentences about those skipped."""

    def __init__(self, name: str, total: int | None) -> None:
        """Show it under a name; `total` is how many frames there are, where that is known."""
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[fps]:.1f} FPS"),
            TimeRemainingColumn(),
        )
        self.frames = 0
        self._bars = Bars(*columns, console=err, transient=True, disable=not err.is_terminal)
        self._task = self._bars.add_task(name, total=total, fps=0.0)
        self._start = time.perf_counter()

    def count(self, frames: int) -> None:
        """Show that so many are done."""
        self.frames = frames
        self._bars.update(self._task, completed=frames, fps=frames / (time.perf_counter() - self._start))

    def skip(self, error: SourceError) -> None:
        """Tell why one is skipped."""
        err.print(f"skipped: {error}")

    def __enter__(self) -> FramesBar:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()


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
    err.print(f"{count} in {summary.seconds:.1f} s ({summary.frames / summary.seconds:.1f} FPS{losses})")
    summary.check_answered()
    if summary.frames:
        stages = ", ".join(f"{name} {1000 * seconds:.1f}" for name, seconds in summary.stages._asdict().items())
        use = " ".join(f"{seconds / summary.seconds:.0%}" for seconds in busy)
        err.print(f"ms per frame: {stages}; core use {use}")
