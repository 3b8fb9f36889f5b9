"""The options of `detect` for the page, and what it does with them: it watches, for as long as it is let."""

from __future__ import annotations

import re
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from yolorknn.cli.outputs import Outputs
from yolorknn.cli.show import say
from yolorknn.cli.sinks import open_sinks, say_losses
from yolorknn.cli.tracks import Tracks
from yolorknn.serve.address import TOKEN, token_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from yolorknn.predict.loaded_model import LoadedModel
    from yolorknn.stream.sinks.sink import Sink
    from yolorknn.stream.sources.source import Frame
    from yolorknn.stream.step import Step


@dataclass(frozen=True)
class Serving:
    """Whether there is a page, and where."""

    serve: Annotated[
        str | None,
        typer.Option(
            help="Of a camera or stream: a page to look at it in a browser, with an API and metrics, on this port of "
            "this machine, or of HOST for others too. It goes on until it is ended; only what is asked for is written.",
            metavar="[HOST:]PORT",
        ),
    ] = None
    serve_token: Annotated[
        Path | None,
        typer.Option(
            help=f"With --serve: a file whose first line everybody must give; or {TOKEN} in the environment.",
            metavar="FILE",
        ),
    ] = None

    def check(self, source: str) -> None:
        """Refuse what is mistyped or would let strangers in, before a model is loaded.

        Raises:
            OutputError: others could reach it without a token, or that is none.
            MissingDependencyError: what serves is not installed.
        """
        if self.serve is None:
            if self.serve_token:
                raise typer.BadParameter("is for --serve", param_hint="--serve-token")
            return
        from yolorknn.serve.address import check_address
        from yolorknn.stream.sources.open_source import is_live, kept_source

        if not is_live(kept_source(source)):
            raise typer.BadParameter("is for a camera or stream: files end before one looks", param_hint="--serve")
        check_address(self.address[0], self.token)

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        found = re.fullmatch(r"(?:(\[[0-9A-Fa-f:.]+\]|[\w.-]+):)?(\d{1,5})", self.serve or "", re.ASCII)
        if not found or int(found[2]) > 65535:
            raise typer.BadParameter(
                f"'{self.serve}' is not a port, or HOST:PORT as 0.0.0.0:8080", param_hint="--serve"
            )
        return (found[1] or "127.0.0.1").strip("[]"), int(found[2])

    @property
    def token(self) -> str | None:
        """What everybody must give; None for nothing.

        Raises:
            OutputError: its file cannot be read, or has none.
        """
        file = self.serve_token
        return token_of(file and Path(str(file).removeprefix("@")), "--serve-token")


class _Named:
    """What is known of a camera before it is opened, for sinks that are called after it."""

    live = True
    count: int | None = None

    def __init__(self, name: str, fps: float) -> None:
        self.name, self.fps = name, fps

    def read(self) -> Frame | None:
        """Give none."""
        return None

    def close(self) -> None:
        """Nothing is held."""


def watch_and_serve(
    loaded: LoadedModel[Any],
    source: str,
    read: list[Path],
    tracks: Tracks,
    outputs: Outputs,
    serving: Serving,
    classes: Sequence[str] | None,
    *,
    fps: float | None = None,
) -> None:
    """Detect on a camera until that is ended, with a page.

    Args:
        loaded: the model, of all classes.
        source: of the camera.
        read: files that are not to be written over.
        tracks: what is followed; zones drawn on the page come in the place of its zones.
        outputs: sinks beside the page.
        serving: where the page is.
        classes: ids or names that are kept until somebody changes it.
        fps: the most frames a second that are wanted; None for all.
    """
    from yolorknn.files import state_folder
    from yolorknn.live.camera import Camera
    from yolorknn.live.camera_settings import CameraSettings
    from yolorknn.live.settings import Settings
    from yolorknn.live.watcher import Watcher
    from yolorknn.model.class_names import names_of
    from yolorknn.serve.hub import Hub
    from yolorknn.serve.page import Page
    from yolorknn.stream.sinks.amounts import RECORDED
    from yolorknn.stream.sources.camera_names import camera_name
    from yolorknn.stream.sources.open_source import kept_source
    from yolorknn.tasks.task import Wording
    from yolorknn.text import url_name

    text, names = kept_source(source), loaded.metadata.names
    name = url_name(text if "://" in text else camera_name(text)) or Path(text).name
    wording = Wording.of(loaded.metadata, masks=outputs.masks)
    kept = names_of(loaded.metadata, classes)
    named, (host, port) = _Named(name, RECORDED), serving.address
    with ExitStack() as stack:
        hub = stack.enter_context(closing(Hub({name: wording})))

        def told(sentence: str) -> None:
            say(sentence)
            hub.tell(sentence)

        path = state_folder() / f"settings-{name}.json"
        settings = Settings(
            {name: names},
            {name: CameraSettings(loaded.thresholds.conf, kept, tuple(tracks.zones()), tuple(tracks.lines()))},
            path=path,
            told=told,
        )
        if differing := settings.differing(name):
            what = f"{', '.join(differing)} stay as they were changed on the page, which {path} keeps"
            told(f"{what}: what the command line says of them does not count")
        sinks: list[Sink] = [hub]
        stack.callback(say_losses, sinks)  # once they are closed
        wanted = open_sinks(replace(outputs, save=False), named, None, read, wording, fps=fps)
        sinks.extend(stack.enter_context(closing(sink)) for sink in wanted)
        steps: list[Step] = []
        if tracks.given or loaded.metadata.task != "classify":
            steps.append(stack.enter_context(tracks.step(named, loaded.metadata, told=told)))
        cameras = [Camera(name, source, fps=fps)]
        watcher = Watcher(loaded, cameras, sinks, steps={name: steps}, settings=settings, told=told)
        page = stack.enter_context(Page(watcher, hub, host=host, port=port, token=serving.token))
        stack.enter_context(watcher)
        say(f"{name} is at {page.url}")
        watcher.wait()
