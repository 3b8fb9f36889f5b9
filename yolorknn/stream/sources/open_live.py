"""Cameras and streams as sources that come back."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable, Iterable
from numbers import Real
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from yolorknn.stream.sources.camera_names import camera_name, device_of
from yolorknn.stream.sources.device_links import found_again, links_to
from yolorknn.stream.sources.open_source import is_live, kept_source, open_connection, open_source
from yolorknn.stream.sources.returning import SILENCE, SLICE, ReturningSource
from yolorknn.stream.sources.source import LostError, Source
from yolorknn.text import shown_url, url_name

_logger = logging.getLogger(__name__)


def open_any(
    source: str | Path | int | Iterable[NDArray[Any]] | Source, *, keep: bool = False, fps: float | None = None
) -> Source:
    """Open what is streamed: a camera or stream so that it comes back, all else as open_source() does.

    Args:
        source: see open_source().
        keep: see open_live().
        fps: of a camera or stream, see open_live().

    Raises:
        SourceError: it cannot be opened.
        ValueError: fps of something else, or not above 0.
    """
    live = isinstance(source, (str, Path, int)) and is_live(str(source))
    if fps is not None and not (live and isinstance(fps, Real) and 0 < fps < math.inf):
        raise ValueError(f"fps is of a camera or stream, and above 0, not {fps!r}")
    return open_live(str(source), keep=keep, fps=fps) if live else open_source(source)


def open_live(source: str, *, keep: bool = False, fps: float | None = None) -> ReturningSource:
    """Open a camera or stream that is there now, and comes back whenever it is lost.

    Args:
        source: camera0, /dev/video0, /dev/v4l/by-id/..., a stream's URL, or "@FILE" that holds one.
        keep: give every frame that arrives, and have those that come meanwhile wait, in place of the newest alone.
        fps: the most frames a second that are wanted; None for all.

    Raises:
        SourceError: it cannot be opened now.
    """
    return _returning(source, first=open_connection(source, patience=SLICE, fps=fps), keep=keep, fps=fps)


def await_live(
    source: str,
    *,
    camera: str,
    wake: threading.Event,
    told: Callable[[str], None],
    fps: float | None = None,
    size: tuple[int, int] | None = None,
    silence: float = SILENCE,
    epoch: int = 0,
) -> ReturningSource:
    """Begin to open a camera or stream among several, which may be absent.

    Args:
        source: see open_live.
        camera: its name.
        wake: set whenever there may be a frame to take.
        told: told that it is lost, and that it is back.
        fps: the most frames a second that are wanted; None for all.
        size: width and height in pixels that a USB camera is asked for; None for its own choice.
        silence: seconds without a good frame after which it is lost.
        epoch: the last one that there was of this camera before.
    """
    return _returning(source, camera=camera, wake=wake, told=told, fps=fps, size=size, silence=silence, epoch=epoch)


def _returning(
    source: str,
    *,
    first: Source | None = None,
    camera: str = "",
    wake: threading.Event | None = None,
    told: Callable[[str], None] = _logger.warning,
    fps: float | None = None,
    size: tuple[int, int] | None = None,
    silence: float = SILENCE,
    keep: bool = False,
    epoch: int = 0,
) -> ReturningSource:
    named = kept_source(source) if first is not None or not source.startswith("@") else source
    opening = _Opening(source, first, fps=fps, size=size, silence=silence, again=first is None)
    return ReturningSource(
        opening.open,
        source=shown_url(named) if "://" in named else camera_name(named),
        name=(first.name if first is not None else url_name(named)) or "stream",
        camera=camera,
        told=told,
        silence=silence,
        period=1 / fps if fps else 0.0,
        wake=wake,
        first=first,
        keep=keep,
        epoch=epoch,
    )


class _Opening:
    """Opens a camera or stream again and again; a camera by the links that led to it when it was first opened."""

    def __init__(self, source: str, first: Source | None, **asked: Any) -> None:
        """Open `source` as open_connection is `asked` to; `first` is there already."""
        self._source, self._asked = source, asked
        self._links = self._links_now() if first is not None else []

    def open(self) -> Source:
        """Open it once; see open_connection."""
        named = self._source
        if self._links:
            link = found_again(self._links)
            if link is None:
                what = f"{camera_name(named)} was unplugged: it is not at {self._links[0]} any more"
                raise LostError(what, "unplugged")
            named = str(link)
        connection = open_connection(named, patience=SLICE, **self._asked)
        self._links = self._links or self._links_now()
        return connection

    def _links_now(self) -> list[Path]:
        device = device_of(kept_source(self._source))
        return links_to(device) if device is not None else []
