"""Frames spread over all of a source: of a video whatever it says of its length, of a camera over a minute."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from yolorknn.errors import SourceError
from yolorknn.image import Image
from yolorknn.stream.sources.capture import count_frames, open_video
from yolorknn.stream.sources.open_source import open_source

LIVE, EVERY = 100, 0.5
"""Frames taken of a camera or stream, and seconds between two."""

Item = TypeVar("Item")


def video_frames(path: Path, limit: int) -> Iterator[Image]:
    """Read at most `limit` frames of a video, evenly spread over all that it really has.

    Raises:
        SourceError: it cannot be read.
    """
    step = max(1, -(-count_frames(path) // limit))
    video = open_video(path)
    try:
        for number in range(limit * step):
            if number % step:
                if not video.skip():
                    return
            elif (frame := video.read()) is None:
                return
            else:
                yield frame.image
    finally:
        video.close()


def live_frames(source: str) -> Iterator[Image]:
    """Take LIVE frames of a camera or stream, at least EVERY seconds apart; fewer where it ends.

    Raises:
        SourceError: it cannot be opened, or gives nothing.
    """
    opened = open_source(source)
    try:
        taken, due = 0, 0.0
        while taken < LIVE:
            try:
                frame = opened.read()
            except SourceError:
                if not taken:
                    raise
                return
            if frame is None:
                return
            if time.monotonic() >= due:
                taken, due = taken + 1, time.monotonic() + EVERY
                yield frame.image
    finally:
        opened.close()


def spread(items: Iterable[Item], limit: int) -> list[Item]:
    """Return between half of `limit` and `limit` items, evenly spread over however many there are, or all.

    No more than `limit` are held at any moment.
    """
    kept: list[Item] = []
    step = 1
    for number, item in enumerate(items):
        if number % step:
            continue
        if len(kept) == limit:
            kept, step = kept[::2], step * 2
            if number % step:
                continue
        kept.append(item)
    return kept
