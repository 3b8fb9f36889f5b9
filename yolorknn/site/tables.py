"""The tables of a site file, and all of them as one value. docs/watch.md explains them to people."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from yolorknn.site.keys import held, key, tables
from yolorknn.stream.sinks.amounts import bytes_of, rotation_of
from yolorknn.tracking.zones import Anchor, Line, Zone

_WORD = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}"
_DISCOVERY = r"[A-Za-z0-9_-]{0,64}"
NAME = re.compile(_WORD)
"""What cameras, models, zones and lines are called: it is part of topics and of names of files."""


def _rotation(text: str) -> object:
    return rotation_of(text, 0)


def _folder(text: str) -> None:
    from yolorknn.stream.run_folder import check_folder_name  # noqa: PLC0415  it brings OpenCV

    check_folder_name(Path(text))


def _lines(text: str) -> None:
    from yolorknn.stream.run_folder import check_lines_name  # noqa: PLC0415  it brings OpenCV

    check_lines_name(Path(text))


@dataclass(frozen=True)
class ModelTable:
    """A model, and what is kept of what it finds."""

    file: Path = key("The model: a .rknn on the board, an .onnx anywhere.", file=True)
    conf: float = key("Confidence threshold.", 0.25, least=0, most=1)
    iou: float = key("IoU threshold of NMS.", 0.7, least=0, most=1)
    classes: tuple[int | str, ...] | None = key("Class ids or names to keep; all where it is left out.", None)
    max_det: int = key("Most boxes per frame.", 300, least=1)
    agnostic_nms: bool = key("Whether a box suppresses overlapping ones of other classes too.", False)
    tile: int | None = key("Side in pixels of the tiles in which frames are looked at besides.", None, least=32)
    overlap: float = key("Of a tile, what the next one shows too.", 0.2, least=0, most=0.9)
    names: Path | None = key("File with the class names, one a line, for a model that has none.", None, file=True)
    anchors: str | None = key(
        "Sizes of anchor boxes: yolov5, yolov7, yolov7-tiny, or a file; for a model that has none.", None
    )
    runtime: Literal["auto", "lite", "c"] = key("On a board, which of the vendor's runtimes.", "auto")
    contexts: int = key("On a board, contexts on each NPU core.", 1, least=1, most=8)
    held: str = held()


@dataclass(frozen=True)
class CameraTable:
    """A camera, stream or file."""

    source: str = key("camera0, /dev/video0, a stream's URL, a file, or @FILE that holds a camera or URL.", secret=True)
    model: str | None = key("Which of the models; the only one where there is one.", None)
    weight: float = key("Its share of the NPU, beside the others'.", 1.0, above=0, most=1e6)
    fps: float | None = key("The most frames a second that are wanted; left out, all.", None, above=0, most=1e6)
    size: tuple[int, int] | None = key("Width and height that a USB camera is asked for.", None, least=1, most=65535)
    silence: float = key("Seconds without a good frame after which it is lost.", 5.0, above=0, most=86400)
    held: str = held()


@dataclass(frozen=True)
class ZoneTable:
    """A part of a camera's picture; x and y are shares of its width and height."""

    camera: str = key("Whose picture it is in.")
    polygon: tuple[tuple[float, float], ...] = key("Corners x, y in turn.", least=0, most=1)
    classes: tuple[int | str, ...] | None = key("Class ids or names that count; all where it is left out.", None)
    anchor: Anchor = key("The point of a box that is where its object is.", "bottom")
    enter_after: float = key("Seconds inside after which an object has entered; with [track].", 0.5, least=0)
    leave_after: float = key("Seconds outside after which it has left; with [track].", 1.0, least=0)

    def zone(self, name: str) -> Zone:
        """Return it as it is looked at; see Zone for what is raised."""
        return Zone(name, self.polygon, self.classes, self.anchor, self.enter_after, self.leave_after)


@dataclass(frozen=True)
class LineTable:
    """A line to be crossed, which needs [track]; in is to the left hand of who goes from its start to its end."""

    camera: str = key("Whose picture it is in.")
    start: tuple[float, float] = key("Its one end, x and y.", least=0, most=1)
    end: tuple[float, float] = key("Its other end.", least=0, most=1)
    classes: tuple[int | str, ...] | None = key("Class ids or names that count; all where it is left out.", None)
    anchor: Anchor = key("The point of a box that is where its object is.", "bottom")
    settle: float = key("Seconds on the other side after which an object has crossed.", 0.3, least=0)

    def line(self, name: str) -> Line:
        """Return it as it is looked at; see Line for what is raised."""
        return Line(name, self.start, self.end, self.classes, self.anchor, self.settle)


@dataclass(frozen=True)
class TrackTable:
    """That each object has a number that it keeps from frame to frame."""

    lost: float = key("Seconds without a sight after which an object that comes is another.", 2.0, above=0, most=1e6)


@dataclass(frozen=True)
class SinksTable:
    """Where results go."""

    json: Path | None = key("File for a JSON line of each frame; - is stdout.", None, read=_lines)
    csv: Path | None = key("File for a row of each object.", None, read=_lines)
    rotate: str | None = key("Begin a new file at this size or age: 100M, 1d, 100M,12h.", None, read=_rotation)
    keep: int = key("With rotate: older files that stay.", 9, least=0)
    record: Path | None = key("Folder for annotated video in segments of a minute.", None, read=_folder)
    snapshots: Path | None = key("Folder for JPEGs of frames with something in them.", None, read=_folder)
    crops: Path | None = key("Folder for JPEGs of each object.", None, read=_folder)
    every: float = key("Seconds between two snapshots, crops or posts of a camera.", 10.0, least=0)
    quota: str = key("What record, snapshots and crops may have each, of a camera.", "10G", read=bytes_of)
    webhook: str | None = key("URL that JSON lines are posted to, or @FILE that holds it.", None, secret=True)
    webhook_secret_file: Path | None = key("File with the secret that posts are signed with.", None, file=True)
    masks: Literal["rle", "polygons"] = key("How JSON lines give masks.", "rle")
    held: str = held()


@dataclass(frozen=True)
class MqttTable:
    """A broker."""

    host: str = key("Name or address of the broker.", pattern=r"[A-Za-z0-9_.:-]+")
    port: int | None = key("Its port; 1883, with tls 8883.", None, least=1, most=65535)
    tls: bool = key("Whether to connect over TLS.", False)
    user: str = key("To log in as.", "")
    password_file: Path | None = key("File with the password in its first line.", None, file=True)
    prefix: str = key("What all topics begin with.", "yolorknn", pattern=r"[^\x00-\x20+#\x7f]+")
    board: str | None = key("This board's name in topics.", None, pattern=r"[a-zA-Z0-9_-]{1,64}")
    discovery: str = key("Where Home Assistant looks; empty for nowhere.", "homeassistant", pattern=_DISCOVERY)
    picture_every: float = key("Seconds between two pictures of a camera.", 10.0, least=0)
    held: str = held()


@dataclass(frozen=True)
class PageTable:
    """A page to look at it all in a browser, with an API and metrics."""

    port: int = key("At which browsers find it on this machine, as 8080.", least=1, most=65535)
    host: str = key("The address that is listened on.", "127.0.0.1", pattern=r"[A-Za-z0-9_.:-]+")
    token_file: Path | None = key("File whose first line everybody must give.", None, file=True)
    held: str = held()


@dataclass(frozen=True)
class LogTable:
    """What is told on stderr."""

    format: Literal["text", "json"] = key("Sentences, or a JSON object a line.", "text")
    level: Literal["info", "warning", "error"] = key("The least that is told.", "info")


@dataclass(frozen=True)
class Site:
    """All that is to be watched, and how."""

    models: Mapping[str, ModelTable] = tables("The models, each by a name of its own.")
    cameras: Mapping[str, CameraTable] = tables("The cameras, each by a name of its own.")
    zones: Mapping[str, ZoneTable] = tables("Parts of pictures to count in, each by a name of its own.")
    lines: Mapping[str, LineTable] = tables("Lines to count across, each by a name of its own.")
    track: TrackTable | None = key("Tracking.", None)
    sinks: SinksTable = key("Where results go.", SinksTable())
    mqtt: MqttTable | None = key("MQTT and Home Assistant.", None)
    page: PageTable | None = key("The page.", None)
    log: LogTable = key("What is told.", LogTable())

    def model_of(self, camera: str) -> str:
        """Return which model a camera is for."""
        return self.cameras[camera].model or next(iter(self.models))

    def places_of(self, camera: str) -> tuple[list[Zone], list[Line]]:
        """Return the zones and lines in a camera's picture."""
        zones = [table.zone(name) for name, table in self.zones.items() if table.camera == camera]
        return zones, [table.line(name) for name, table in self.lines.items() if table.camera == camera]


def changes(before: Site, after: Site) -> str:
    """Return what is not the same any more, in words."""
    words = []
    for what in ("models", "cameras", "zones", "lines"):
        old: Mapping[str, object] = getattr(before, what)
        new: Mapping[str, object] = getattr(after, what)
        groups = {
            "new": [name for name in new if name not in old],
            "changed": [name for name in new if name in old and new[name] != old[name]],
            "gone": [name for name in old if name not in new],
        }
        words += [f"{what} {how}: {', '.join(names)}" for how, names in groups.items() if names]
    words += [
        f"{what} changed{', which needs a restart' if what == 'log' else ''}"
        for what in ("track", "sinks", "mqtt", "page", "log")
        if getattr(before, what) != getattr(after, what)
    ]
    return "; ".join(words) or "nothing changed"
