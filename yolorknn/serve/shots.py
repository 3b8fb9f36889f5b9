"""A result as it is shown to others: its record and its picture, made once however many look."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import cv2

from yolorknn.stream.picture import picture_of
from yolorknn.stream.result import Result, record
from yolorknn.stream.sinks.snapshots import jpeg
from yolorknn.tasks.task import Wording
from yolorknn.text import dumps


class Look(NamedTuple):
    """What somebody wants to see."""

    camera: str
    annotated: bool = False
    """With what was found, zones and lines drawn into the picture."""


@dataclass(frozen=True)
class Shot:
    """One result of a camera, to be sent."""

    number: int
    """Of the result among all, from 1."""
    timestamp: float
    """See Result."""
    record: bytes
    """The JSON of its record, without a line's end."""
    picture: bytes
    """JPEG."""


def make_shot(look: Look, number: int, result: Result[Any], wording: Wording, *, longest: int, quality: int) -> Shot:
    """Encode a result; its picture is made smaller where a side has more than `longest` pixels.

    Raises:
        OutputError: OpenCV cannot encode it.
    """
    picture = picture_of(result, wording.names) if look.annotated else result.frame
    if (scale := longest / max(picture.shape[:2])) < 1:
        height, width = (max(1, round(side * scale)) for side in picture.shape[:2])
        picture = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
    return Shot(number, result.timestamp, record_bytes(result, wording), jpeg(picture, quality=quality))


def record_bytes(result: Result[Any], wording: Wording) -> bytes:
    """Return a result's record as JSON, as the lines that `detect` writes have it."""
    return dumps(record(result, wording)).encode()
