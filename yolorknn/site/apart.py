"""What a site writes, kept apart from what it reads."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from yolorknn.errors import SourceError
from yolorknn.files import identity_of
from yolorknn.site.check import Mistake
from yolorknn.site.tables import Site
from yolorknn.stream.sources.camera_names import device_of


def overwritten(site: Site, file: Path) -> Iterator[Mistake]:
    """Give the files of lines that are read too, or are another sink's, by whatever name.

    Args:
        site: with its paths found.
        file: that it was read from.
    """
    taken: dict[object, str] = {}
    for path, what in _taken(site, file):
        taken.setdefault(_identity(path), what)
    for name, lines in (("json", site.sinks.json), ("csv", site.sinks.csv)):
        if lines is None or str(lines) == "-":
            continue
        if known := taken.get(_identity(lines)):
            yield Mistake(("sinks", name), f"{lines} is {known}, so no lines go into it: give another name")
        taken.setdefault(_identity(lines), f"the file of sinks.{name}")


def _taken(site: Site, file: Path) -> Iterator[tuple[Path, str]]:
    """Give what lines must not go into, and what it is."""
    yield file, "this site file"
    for name, model in site.models.items():
        yield model.file, f"the file of [models.{name}]"
        yield model.file.with_suffix(".json"), f"where [models.{name}] may have its metadata"
        for path in (model.names, model.anchors):
            if path is not None:
                yield Path(path), f"a file of [models.{name}]"
    for name, camera in site.cameras.items():
        for path in _files_of(camera.source):
            yield path, f"the source of [cameras.{name}]"
    hook = site.sinks.webhook or ""
    secrets = [
        Path(hook[1:]) if hook.startswith("@") else None,
        site.sinks.webhook_secret_file,
        site.mqtt.password_file if site.mqtt else None,
        site.page.token_file if site.page else None,
    ]
    for secret in secrets:
        if secret is not None:
            yield secret, "a file with a secret"
    for kind in ("record", "snapshots", "crops"):
        if folder := getattr(site.sinks, kind):
            yield folder, f"the folder of sinks.{kind}"


def _files_of(source: str) -> Iterator[Path]:
    """Give the file or device of a source, and the one that holds its name."""
    if source.startswith("@"):
        held = Path(source[1:])
        yield held
        if not held.is_file():  # a pipe is read but once
            return
        from yolorknn.stream.sources.open_source import kept_source  # noqa: PLC0415  it brings OpenCV

        with suppress(SourceError):
            source = kept_source(source)
    if (device := device_of(source)) is not None:
        yield device
    elif "://" not in source:
        yield Path(source)


def _identity(path: Path) -> object:
    """Return what is the same by whatever name, also of a file that is not there yet."""
    try:
        return identity_of(path) or os.path.realpath(path)
    except ValueError:  # no file can have this name
        return None
