"""A site file as one value, or everything that is wrong with it."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from yolorknn.errors import ModelError, SiteError, YolorknnError
from yolorknn.files import decoded, sha256
from yolorknn.model.anchor_sizes import PUBLISHED, given_anchors
from yolorknn.model.class_names import read_names
from yolorknn.serve.address import TOKEN, is_loopback
from yolorknn.site.apart import overwritten
from yolorknn.site.check import Checker, Mistake, nearest
from yolorknn.site.outside import outside
from yolorknn.site.places import Where, line_of, lines_of
from yolorknn.site.tables import ModelTable, Site
from yolorknn.stream.sources.camera_names import device_of
from yolorknn.text import reason_of

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

MOST = 1 << 20
"""Bytes that a site file has at most."""
_NOT_WHOLE = "is for models that find objects in images, not classify the whole"


def read_site(path: Path) -> Site:
    """Read a site file, and check it whole.

    Raises:
        SiteError: it cannot be read, or has mistakes: all of them, a line each, with file and line.
    """
    text = _text(path)
    try:
        given = tomllib.loads(text)
    except (ValueError, RecursionError) as exc:  # of a number of thousands of digits it is no TOMLDecodeError
        found = re.search(r"\(at line (\d+), column \d+\)", str(exc))
        what = str(exc).replace(found[0], "").strip() if found else str(exc)
        raise SiteError([f"{path}{f':{found[1]}' if found else ''}: this is no TOML: {what}"]) from exc
    checker = Checker(path.absolute().parent)
    site: Site | None = checker.table(Site, given, ())
    mistakes = list(checker.mistakes)
    if site is not None:
        site = _resolved(site, path.absolute().parent)
        mistakes += _contradictions(site, given)
        mistakes += outside(site)
        mistakes += overwritten(site, path)
        mistakes += _unknown(site) if not mistakes else []
    if mistakes or site is None:
        raise SiteError(_sentences(path, mistakes, text))
    return _marked(site)


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(MOST + 1)
        if len(data) > MOST:
            raise SiteError([f"{path}: this is no site file: it is larger than {MOST >> 20} MB"])
        return decoded(data)
    except (OSError, ValueError) as exc:
        raise SiteError([f"cannot read {path}: {reason_of(exc)}"]) from exc


def _sentences(path: Path, mistakes: Sequence[Mistake], text: str) -> list[str]:
    lines = lines_of(text)
    placed = [(line_of(where, lines) or 0, where, said) for where, said in mistakes]
    return [
        f"{path}{f':{line}' if line else ''}: {'.'.join(where) + ': ' if where else ''}{said}"
        for line, where, said in sorted(placed, key=lambda entry: entry[:2])
    ]


def _resolved(site: Site, base: Path) -> Site:
    """Return the site with files that texts name found from its own folder."""
    cameras = {name: replace(camera, source=_found(camera.source, base)) for name, camera in site.cameras.items()}
    hook = site.sinks.webhook
    sinks = replace(site.sinks, webhook=_found(hook, base) if hook and hook.startswith("@") else hook)
    models = {name: _with_anchors(model, base) for name, model in site.models.items()}
    return replace(site, models=models, cameras=cameras, sinks=sinks)


def _marked(site: Site) -> Site:
    """Return the site with marks of what the files that it names hold now; a model's own is looked at by itself."""
    models = {name: replace(model, held=_mark(model.names, _anchors(model))) for name, model in site.models.items()}
    cameras = {name: replace(camera, held=_mark(_named(camera.source))) for name, camera in site.cameras.items()}
    sinks = replace(site.sinks, held=_mark(_named(site.sinks.webhook), site.sinks.webhook_secret_file))
    mqtt = site.mqtt and replace(site.mqtt, held=_mark(site.mqtt.password_file))
    page = site.page and replace(site.page, held=_mark(site.page.token_file))
    return replace(site, models=models, cameras=cameras, sinks=sinks, mqtt=mqtt, page=page)


def _anchors(model: ModelTable) -> Path | None:
    return None if model.anchors is None or model.anchors in PUBLISHED else Path(model.anchors)


def _named(text: str | None) -> Path | None:
    return Path(text[1:]) if text and text.startswith("@") else None


def _mark(*files: Path | None) -> str:
    try:
        return sha256(*(path for path in files if path is not None and path.is_file()))  # a pipe is read but once
    except OSError:  # what reads it says why
        return ""


def _found(source: str, base: Path) -> str:
    if source.startswith("@"):
        return f"@{base / source[1:]}"
    return source if not source or "://" in source or device_of(source) is not None else str(base / source)


def _with_anchors(model: ModelTable, base: Path) -> ModelTable:
    anchors = model.anchors
    return model if anchors is None or anchors in PUBLISHED else replace(model, anchors=str(base / str(anchors)))


def _contradictions(site: Site, given: dict[str, Any]) -> Iterator[Mistake]:
    """Give what is wrong between the tables."""
    for what in ("models", "cameras"):
        if not given.get(what):
            yield Mistake((), f"there is no [{what}.NAME], and at least one is needed")
    known = given.get("models")
    if not isinstance(known, dict) or not known:
        return
    for name, camera in site.cameras.items():
        if camera.model is None and len(known) > 1:
            yield Mistake(("cameras", name), f"model is missing: it is one of {', '.join(known)}")
        elif camera.model is not None and camera.model not in known:
            what = f"there is no [models.{camera.model}]{nearest(camera.model, known)}"
            yield Mistake(("cameras", name, "model"), what)
    whole = len(site.cameras) == len(given.get("cameras", ())) > 0
    idle = set(site.models) - {camera.model or next(iter(known)) for camera in site.cameras.values()}
    for name in (
        sorted(idle) if whole and all(camera.model in (None, *known) for camera in site.cameras.values()) else ()
    ):
        yield Mistake(("models", name), "no camera is for this model")
    yield from _misplaced(site, given.get("cameras") or {})
    page = site.page
    if page is not None and not (is_loopback(page.host) or page.token_file or os.environ.get(TOKEN)):
        yield Mistake(("page",), f"token_file is missing: others can reach {page.host}, and need a token")
    if site.mqtt is not None and site.mqtt.password_file is not None and not site.mqtt.user:
        yield Mistake(("mqtt",), "user is missing, to whom the password belongs")


def _misplaced(site: Site, cameras: dict[str, Any]) -> Iterator[Mistake]:
    """Give what is wrong with zones and lines."""
    for what, kind, places in (("zones", "zone", site.zones), ("lines", "line", site.lines)):
        for name, place in places.items():
            if place.camera not in cameras:
                said = f"there is no [cameras.{place.camera}]{nearest(place.camera, cameras)}"
                yield Mistake((what, name, "camera"), said)
            try:
                getattr(place, kind)(name)
            except ValueError as exc:
                yield Mistake((what, name), str(exc))
    for name in site.lines:
        if name in site.zones and site.lines[name].camera == site.zones[name].camera:
            yield Mistake(("lines", name), "a zone of this camera has this name: give each its own")
        if site.track is None:
            yield Mistake(("lines", name), "needs [track]: which object was where before is what crosses it")
        if (camera := site.cameras.get(site.lines[name].camera)) and _is_separate(camera.source):
            yield Mistake(("lines", name), "is in separate images, which do not follow one another")


def _is_separate(source: str) -> bool:
    if source.startswith("@") or "://" in source or device_of(source) is not None:
        return False
    from yolorknn.stream.sources.open_source import is_separate  # noqa: PLC0415  it brings OpenCV

    return is_separate(source)


def _unknown(site: Site) -> Iterator[Mistake]:
    """Give classes that a model has not, and what is asked of classifiers that they cannot.

    Where a model's file cannot be read here, what opens it says why.
    """
    whole: list[bool] = []
    for name, table in site.models.items():
        placed: list[tuple[Where, tuple[int | str, ...] | None]] = [
            ((what, place), given.classes)
            for what, places in (("zones", site.zones), ("lines", site.lines))
            for place, given in places.items()
            if site.model_of(given.camera) == name
        ]
        asked = table.tile, table.classes, site.track, site.sinks.crops
        if not placed and all(one is None for one in asked):
            continue
        from yolorknn.model.class_names import names_of  # noqa: PLC0415
        from yolorknn.predict.open_model import read_metadata  # noqa: PLC0415

        try:
            metadata = read_metadata(table.file, names=read_names(table.names), anchors=given_anchors(table.anchors))
        except YolorknnError:
            continue
        whole.append(metadata.task == "classify")
        if whole[-1]:
            for key in ("tile", "classes"):
                if getattr(table, key) is not None:
                    yield Mistake(("models", name, key), _NOT_WHOLE)
            for where, _ in placed:
                yield Mistake(where, _NOT_WHOLE)
            continue
        for where, classes in ((("models", name), table.classes), *placed):
            try:
                names_of(metadata, classes)
            except ModelError as exc:
                yield Mistake((*where, "classes"), str(exc))
    if len(whole) == len(site.models) and all(whole):
        if site.track is not None:
            yield Mistake(("track",), _NOT_WHOLE)
        if site.sinks.crops is not None:
            yield Mistake(("sinks", "crops"), _NOT_WHOLE)
