"""Sinks as they are opened beside a camera: each with a queue of its own size, so that none can slow or end it."""

from __future__ import annotations

import contextlib
import errno
import functools
import os
from collections.abc import Callable, Iterator, Mapping
from itertools import chain, count
from pathlib import Path
from typing import Any, Literal

from yolorknn.errors import OutputError
from yolorknn.stream.result import Words
from yolorknn.stream.sinks.csv_rows import CsvRows
from yolorknn.stream.sinks.json_lines import JsonLines
from yolorknn.stream.sinks.line_file import Rotation
from yolorknn.stream.sinks.queued import Queued
from yolorknn.stream.sinks.segments import Segments
from yolorknn.stream.sinks.seldom import Seldom
from yolorknn.stream.sinks.sink import Sink
from yolorknn.stream.sinks.snapshots import Snapshots
from yolorknn.stream.sinks.video import Video
from yolorknn.stream.sinks.webhook import Webhook
from yolorknn.text import reason_of

LATEST = 256
"""Results without pictures in a queue."""
TOGETHER = 0.25
"""Seconds of a camera's pictures that are encoded at once, which a killed process loses beside its open part."""
FINISHING = 60.0
"""Seconds in which a video is finished."""
Told = Callable[[str], None]


def _open_lines(kind: Callable[..., Sink], name: str, *, live: bool, told: Told, append: bool = False) -> Sink:
    """Open what appends lines to a file; of a live source behind a queue, once it is known that it can be opened."""
    first = kind(append=append)
    if not live:
        return first
    with contextlib.closing(first):  # once it is opened again: who reads a pipe would see its end in between, and go
        return Queued(functools.partial(kind, append=True), name=name, told=told, most=LATEST, pixels=False)


@contextlib.contextmanager
def _reader_of(path: Path, *, wanted: bool) -> Iterator[None]:
    """Refuse a pipe that nobody reads, where one is `wanted`: to open it would wait for one, and all else with it.

    Raises:
        OutputError: nobody reads it, or it cannot be written.
    """
    if not (wanted and path.is_fifo()):
        yield
        return
    try:
        held = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # so that who reads sees no end meanwhile
    except OSError as exc:
        why = "nobody reads it" if exc.errno == errno.ENXIO else reason_of(exc)
        raise OutputError(f"cannot write the pipe {path}: {why}") from exc
    try:
        yield
    finally:
        os.close(held)


def open_json(
    target: str | Path, words: Words, rotation: Rotation | None, *, live: bool, told: Told, append: bool = False
) -> Sink:
    """Open JSON lines; with `append`, what the file has stays.

    Raises:
        OutputError: they cannot be written.
    """
    kind = functools.partial(JsonLines, target, words, rotation=rotation)
    with _reader_of(Path(target), wanted=append):
        return _open_lines(kind, "JSON lines", live=live, told=told, append=append)


def open_csv(
    path: Path, words: Words, rotation: Rotation | None, *, live: bool, told: Told, append: bool = False
) -> Sink:
    """Open a file of rows; see open_json."""
    kind = functools.partial(CsvRows, path, words, rotation=rotation)
    with _reader_of(path, wanted=append):
        return _open_lines(kind, "CSV", live=live, told=told, append=append)


def _queued(
    kind: Callable[[], Sink], name: str, *, live: bool, told: Told, patience: float = FINISHING, **options: Any
) -> Sink:
    """Open a sink behind a queue that loses nothing, or of a live source what comes while it is full."""
    drop: Literal["new", "none"] = "new" if live else "none"
    return Queued(kind, name=name, told=told, drop=drop, patience=patience, **options)


def open_video(path: Path, *, fps: float, names: Mapping[int, str], live: bool, told: Told) -> Sink:
    """Open one video, or of a live source one more for each time that it fails."""
    paths = chain([path], (path.with_stem(f"{path.stem}-{number}") for number in count(2)))

    def begin() -> Sink:
        return Video(next(paths), fps=fps, names=names, told=told)

    return Queued(begin, name="the video", told=told, drop="new", patience=FINISHING) if live else begin()


def open_segments(
    folder: Path, *, name: str, fps: float, names: Mapping[int, str], quota: int, live: bool, told: Told
) -> Sink:
    """Open video in segments of a minute."""
    options: dict[str, Any] = {"name": name, "fps": fps, "names": names, "quota": quota, "told": told}
    kind = functools.partial(Segments, folder, **options)
    return _queued(kind, "recording", live=live, told=told, gather=TOGETHER if live else 0.0)


def open_snapshots(
    folder: Path,
    what: Literal["frames", "crops"],
    *,
    name: str,
    names: Mapping[int, str],
    quota: int,
    every: float,
    live: bool,
    told: Told,
) -> Sink:
    """Open pictures of frames, or of each object, one in `every` seconds."""
    kind = functools.partial(Snapshots, folder, what=what, name=name, names=names, quota=quota)
    called = "crops" if what == "crops" else "snapshots"
    return _queued(kind, called, live=live, told=told, wanted=Seldom(every))


def open_webhook(url: str, words: Words, *, secret: str, every: float, live: bool, told: Told) -> Sink:
    """Open posts to a web server, one of each camera in `every` seconds.

    Raises:
        OutputError: it is no such URL.
    """
    kind = functools.partial(Webhook, url, words, secret=secret)
    more: dict[str, Any] = {"most": LATEST, "pixels": False, "wanted": Seldom(every)}
    return _queued(kind, "webhook", live=live, told=told, patience=5.0 if live else FINISHING, **more)
