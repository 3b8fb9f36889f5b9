"""What a site names outside its file, and what cannot be what it is for: models, sources, URLs, tokens, folders."""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from yolorknn.errors import ModelError, OutputError, SourceError, YolorknnError
from yolorknn.files import is_file, is_folder
from yolorknn.model.onnx_whole import is_whole
from yolorknn.serve.address import check_address, token_of
from yolorknn.site.check import Mistake, nearest
from yolorknn.site.places import Where
from yolorknn.site.tables import Site
from yolorknn.stream.sources.camera_names import device_of
from yolorknn.stream.sources.schemes import SCHEMES, USUAL, scheme_of
from yolorknn.text import reason_of

# What few sites need is imported where it is needed, as --check is to be quick.
_GIVE = "give camera0, /dev/video0, a stream's URL, a file, or @FILE that holds a camera or URL"


def outside(site: Site) -> Iterator[Mistake]:
    """Give what is wrong with what a site names; cameras that are away are not."""
    for name, model in site.models.items():
        yield from _tried(("models", name, "file"), lambda file=model.file: _check_model(file))  # type: ignore[misc]
    for name, camera in site.cameras.items():
        where = ("cameras", name, "source")
        yield from _tried(where, lambda source=camera.source: _check_source(source))  # type: ignore[misc]
        if camera.fps is not None and not _is_camera(camera.source):
            yield Mistake(("cameras", name, "fps"), "is for a camera or stream: of a file every frame is looked at")
    yield from _tried(("sinks", "webhook"), lambda: _check_webhook(site.sinks.webhook))
    yield from _folders(site)
    yield from _topics(site)
    if site.page is not None:
        file = site.page.token_file
        if file is None or file.is_file():  # a pipe is read but once
            place: Where = ("page", "token_file") if file else ("page",)
            yield from _tried(place, lambda: check_address("localhost", token_of(file, "token_file")))


def _tried(where: Where, check: Callable[[], None]) -> Iterator[Mistake]:
    try:
        check()
    except YolorknnError as exc:
        yield Mistake(where, str(exc))


def _check_model(path: Path) -> None:
    match path.suffix.lower():
        case ".onnx":
            try:
                whole = is_whole(path)
            except OSError as exc:
                raise ModelError(f"cannot read the model {path}: {reason_of(exc)}") from exc
            if not whole:
                raise ModelError(f"{path} is empty, truncated or not ONNX: copy or export it again")
        case ".rknn":
            from yolorknn.model import first_file, rknn_file  # noqa: PLC0415

            if first_file.first_metadata(path) is None:
                rknn_file.read(path)
        case ".pt":
            raise ModelError(f"{path} is a training checkpoint: make a model of it with 'yolorknn export {path}'")
        case suffix:
            raise ModelError(f"{path} has suffix '{suffix}': a model is an .onnx or an .rknn file")


def _check_source(source: str) -> None:
    if source.startswith("@"):
        if _may_be_read(source, SourceError):
            from yolorknn.stream.sources.open_source import kept_source  # noqa: PLC0415

            _check_scheme(held := kept_source(source))
            if device_of(held) is None and "://" not in held:
                raise SourceError(f"{source} holds no camera or stream: name a video or folder here itself")
        return
    if not source.strip():
        raise SourceError(f"is empty: {_GIVE}")
    _check_scheme(source)
    if _is_camera(source) or source.startswith("/dev/"):
        return
    path = Path(source)
    if not is_file(path) and not is_folder(path) and not glob.has_magic(source):
        raise SourceError(f"there is no file {path}: {_GIVE}")


def _is_camera(source: str) -> bool:
    """Tell whether it is a camera or stream, as @FILE always holds."""
    return source.startswith("@") or device_of(source) is not None or "://" in source


def _may_be_read(kept: str, error: type[YolorknnError]) -> bool:
    """Tell whether the FILE of @FILE can be looked at, which must be there: a pipe is read but once."""
    file = Path(kept[1:])
    if not is_file(file):
        raise error(f"there is no file {file}")
    return file.is_file()


def _check_scheme(source: str) -> None:
    scheme = scheme_of(source)
    if "://" in source and scheme not in SCHEMES:
        raise SourceError(f"nothing reads {scheme}://{nearest(scheme, USUAL)}")


def _check_webhook(url: str | None) -> None:
    if not url or (url.startswith("@") and not _may_be_read(url, OutputError)):
        return
    from yolorknn.files import read_secret  # noqa: PLC0415
    from yolorknn.stream.sinks.webhook import read_url  # noqa: PLC0415

    read_url(read_secret(url, "webhook"))


def _folders(site: Site) -> Iterator[Mistake]:
    """Give the folders that two kinds of pictures are to be in, which a camera's names do not tell apart."""
    seen: dict[str, str] = {}
    for what in ("record", "snapshots", "crops"):
        folder: Path | None = getattr(site.sinks, what)
        if folder is None:
            continue
        first = seen.setdefault(os.path.realpath(folder), what)
        if first != what:
            yield Mistake(("sinks", what), f"is the folder that sinks.{first} has: give each its own")


def _topics(site: Site) -> Iterator[Mistake]:
    """Give the cameras that have one name in topics."""
    if site.mqtt is None:
        return
    from yolorknn.stream.sinks.mqtt.topics import word_of  # noqa: PLC0415

    seen: dict[str, str] = {}
    for name in site.cameras:
        first = seen.setdefault(word_of(name), name)
        if first != name:
            said = f"in MQTT topics this is {word_of(name)}, as [cameras.{first}] is: give one of them another name"
            yield Mistake(("cameras", name), said)
