"""Images that are sent to be looked at, by the models that look at cameras, and with no more than a part of a core."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
from starlette.exceptions import HTTPException

from yolorknn.errors import InputError, SourceError
from yolorknn.image import decode_image
from yolorknn.live.watcher import Watcher
from yolorknn.picture_size import picture_size
from yolorknn.tasks.detections import Detections
from yolorknn.tasks.known import showing
from yolorknn.tasks.task import Wording

MOST_BYTES = 16 << 20
MOST_PIXELS = 1 << 25
MOST_WAITING = 8
SHARE = 0.25
"""Of one NPU core's time, which uploads have at most; cameras have the rest."""
_KINDS = re.compile(rb"\xff\xd8\xff|\x89PNG\r\n\x1a\n|RIFF....WEBP|BM", re.DOTALL)
"""JPEG, PNG, WebP, BMP: decoders of others are not to meet what strangers send."""


class Uploads:
    """Looks at one image at a time; made and used in one event loop."""

    def __init__(self) -> None:
        self._turn = asyncio.Semaphore(1)
        self._waiting = 0

    async def detect(
        self, watcher: Watcher, read: Callable[[], Awaitable[bytes]], conf: float | None
    ) -> dict[str, Any]:
        """Return what a model finds in an image.

        Args:
            watcher: whose model it is.
            read: gives a JPEG, PNG, WebP or BMP; one that comes holds its place, as it holds memory.
            conf: what is less confident is left out; None for what is kept of cameras' at most.

        Raises:
            HTTPException: too many wait.
            InputError: it is no such image, or it has too many pixels.
            BackendError: the model cannot look now.
        """
        if self._waiting >= MOST_WAITING:
            raise HTTPException(503, "too many images wait to be looked at", {"Retry-After": "2"})
        self._waiting += 1
        try:
            data = await read()
            async with self._turn:
                found, seconds = await asyncio.get_running_loop().run_in_executor(None, _look, watcher, data, conf)
                await asyncio.sleep(seconds * (1 / SHARE - 1))
                return found
        finally:
            self._waiting -= 1


def _look(watcher: Watcher, data: bytes, conf: float | None) -> tuple[dict[str, Any], float]:
    size = picture_size(data) if _KINDS.match(data) else None
    if size is None:
        raise InputError("what was sent is no JPEG, PNG, WebP or BMP")
    if size[0] * size[1] > MOST_PIXELS:
        raise InputError(f"an image has at most {MOST_PIXELS >> 20} million pixels, not {size[1]}x{size[0]}")
    try:
        image = decode_image(np.frombuffer(data, np.uint8), "what was sent")
    except SourceError as exc:
        raise InputError(str(exc)) from None
    begun = time.perf_counter()
    found = watcher.loaded.run(image)
    seconds = time.perf_counter() - begun
    if conf is not None and isinstance(found, Detections):
        found = found[found.confidence > conf]
    task = showing(found)
    wording = Wording.of(watcher.loaded.metadata, masks="polygons")
    height, width = image.shape[:2]
    return {
        "width": width,
        "height": height,
        "seconds": round(seconds, 4),
        task.key: task.record(found, wording),
    }, seconds
