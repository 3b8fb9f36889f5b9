"""The options of `detect` for which object is which, and where it is among zones and lines."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from yolorknn.cli.show import say
from yolorknn.errors import ModelError, SourceError

if TYPE_CHECKING:
    from yolorknn.model.metadata import ModelMetadata
    from yolorknn.stream.scene import Counts
    from yolorknn.stream.sources.source import Source
    from yolorknn.stream.step import Steps
    from yolorknn.tracking.tracking import Tracking
    from yolorknn.tracking.zones import Line, Zone


@dataclass(frozen=True)
class Tracks:
    """What is followed from frame to frame, and where."""

    track: Annotated[
        bool, typer.Option("--track", help="Give each object a number that it keeps from frame to frame.")
    ] = False
    zone: Annotated[
        list[str] | None,
        typer.Option(
            "--zone",
            help="A part of the picture to count in: name and corners, in shares of width and height. Again for more.",
            metavar="NAME=x,y,x,y,x,y",
        ),
    ] = None
    line: Annotated[
        list[str] | None,
        typer.Option(
            "--line",
            help="With --track: a line to count across; in is to the left hand of who goes along it. Again for more.",
            metavar="NAME=x,y,x,y",
        ),
    ] = None

    @property
    def given(self) -> bool:
        """Whether any of it was asked for."""
        return bool(self.track or self.zone or self.line)

    def check(self) -> None:
        """Refuse what is mistyped or cannot be, before a model is loaded."""
        if not self.given:
            return
        from yolorknn.tracking.tracker import check_tracker
        from yolorknn.tracking.zones import check_names

        zones, lines = self.zones(), self.lines()
        _refused("--zone", lambda: check_names([*zones, *lines]))
        if self.line and not self.track:
            raise typer.BadParameter(
                "needs --track: which object was where before is what crosses it", param_hint="--line"
            )
        if self.track:
            check_tracker()

    def zones(self) -> list[Zone]:
        """Return the zones that --zone was given."""
        from yolorknn.tracking.zones import Zone

        named = [_named(text, "--zone", "door=0.1,0.5,0.4,0.5,0.4,1") for text in self.zone or ()]
        return [_refused("--zone", lambda name=name, at=at: Zone(name, at)) for name, at in named]  # type: ignore[misc]

    def lines(self) -> list[Line]:
        """Return the lines that --line was given."""
        from yolorknn.tracking.zones import Line

        named = [_named(text, "--line", "gate=0.2,0.6,0.8,0.6") for text in self.line or ()]
        for name, at in named:
            if len(at) != 2:
                raise typer.BadParameter(f"'{name}' has {len(at)} points: a line has 2", param_hint="--line")
        return [_refused("--line", lambda name=name, at=at: Line(name, *at)) for name, at in named]  # type: ignore[misc]

    @contextmanager
    def steps(self, source: Source, metadata: ModelMetadata) -> Iterator[Steps | None]:
        """Open the step that was asked for; None for none. See step()."""
        from yolorknn.stream.step import Steps

        if not self.given:
            yield None
            return
        with self.step(source, metadata, told=say) as tracking:
            yield Steps([tracking], say)

    @contextmanager
    def step(self, source: Source, metadata: ModelMetadata, *, told: Callable[[str], None]) -> Iterator[Tracking]:
        """Open the step that was asked for, or one for zones to come, and say in the end what was counted.

        Of a live source counts go on where the last run of it ended.

        Raises:
            ModelError: a classifier says not where anything is.
            SourceError: the source's frames do not follow one another.
        """
        from yolorknn.files import state_folder
        from yolorknn.tracking.memory import memory_file
        from yolorknn.tracking.tracking import Tracking

        if metadata.task == "classify":
            raise ModelError("--track, --zone and --line need a model that finds objects, and this is a classifier")
        if self.track and not source.fps:
            raise SourceError("--track is for a video, camera or stream: separate images do not follow one another")
        tracking = Tracking(
            dict(enumerate(metadata.names)),
            zones=self.zones(),
            lines=self.lines(),
            track=self.track,
            memory=memory_file(state_folder(), source.name) if self.track and source.live else None,
            told=told,
        )
        try:
            yield tracking
        finally:
            tracking.close()
            _say_counts(tracking)


def _say_counts(tracking: Tracking) -> None:
    scene = tracking.scene
    for line, ways in scene.lines.items():
        say(f"line {line}: {_counted(ways['in'])} in, {_counted(ways['out'])} out")
    for zone, total in scene.entered.items():
        say(f"zone {zone}: {_counted(total)} entered")


def _counted(counts: Counts) -> str:
    total = sum(counts.values())
    by = ", ".join(f"{number} {name}" for name, number in sorted(counts.items()))
    return f"{total} ({by})" if total else "0"


def _named(text: str, option: str, example: str) -> tuple[str, tuple[tuple[float, float], ...]]:
    """Return a name and points."""
    name, mark, rest = text.partition("=")
    try:
        numbers = [float(value) for value in rest.split(",")]
    except ValueError:
        numbers = []
    if not mark or not name.strip() or not numbers or len(numbers) % 2:
        raise typer.BadParameter(f"'{text}' is not a name and points as {example}", param_hint=option)
    return name.strip(), tuple(zip(numbers[::2], numbers[1::2], strict=True))


def _refused(option: str, made: Callable[[], Any]) -> Any:
    """Return what a call returns; its ValueError is a mistyped option."""
    try:
        return made()
    except ValueError as exc:
        raise typer.BadParameter(str(exc), param_hint=option) from exc
