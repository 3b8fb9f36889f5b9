"""What happens while a site is watched, as it is told."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Literal, TypeAlias

from yolorknn.stream.sources.history import BACK

Level = Literal["info", "warning", "error"]
Kind = Literal["begun", "ended", "camera", "sink", "model", "page", "reload", "restart", "library"]


@dataclass(frozen=True)
class Event:
    """Something that happened."""

    event: Kind
    text: str
    """A sentence."""
    level: Level = "info"
    camera: str = ""
    """Whose it is, where it is one camera's."""


Tell: TypeAlias = Callable[[Event], None]


def of_camera(text: str, cameras: Collection[str]) -> Event:
    """Return what a watcher told, which begins with the camera that it is about."""
    name, mark, _ = text.partition(": ")
    level: Level = "info" if BACK in text else "warning"
    return Event("camera", text, level, name if mark and name in cameras else "")
