"""What makes pictures of a stream's packets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from yolorknn.image import Image


@dataclass(frozen=True)
class Picture:
    """One decoded picture, which becomes an image when it is wanted."""

    image: Callable[[], Image]
    """BGR uint8 (H, W, 3)."""
    time: float | None
    """That it carries, in seconds; only differences mean something, and not always."""
    key: bool
    """Whether it stands alone."""
    corrupt: bool
    """Whether parts of it are missing or made up."""


class Decoder(Protocol):
    """Takes packets in their order; used by one thread."""

    def decode(self, packet: Any, *, alone: bool) -> list[Picture]:
        """Return what can be shown after one more packet of PyAV.

        Args:
            packet: the next one; an empty one is the end.
            alone: that no other follows that refers to it, so that its picture is to come at once.

        Raises:
            Exception: PyAV's, for a packet that is no part of a video.
        """

    def close(self) -> None:
        """Release it."""


class Software:
    """FFmpeg on the CPU, on one thread: a camera's picture is one slice, which others would only wait for."""

    def __init__(self, stream: Any) -> None:
        from av.video.reformatter import VideoReformatter  # noqa: PLC0415

        self._context = stream.codec_context
        self._context.thread_count = 1
        self._reformatter = VideoReformatter()

    def decode(self, packet: Any, *, alone: bool) -> list[Picture]:
        frames = list(packet.decode())
        if alone and packet.size:
            frames += self._context.decode(None)
            self._context.flush_buffers()
        return [self._picture(frame) for frame in frames]

    def close(self) -> None:
        pass

    def _picture(self, frame: Any) -> Picture:
        def image() -> Image:
            pixels: Any = self._reformatter.reformat(frame, format="bgr24").to_ndarray()
            return np.asarray(pixels, np.uint8)

        return Picture(image, seconds(frame), bool(frame.key_frame), bool(frame.is_corrupt))


def seconds(timed: Any) -> float | None:
    """Return the time that a packet or frame of PyAV carries."""
    return None if timed.pts is None or timed.time_base is None else float(timed.pts * timed.time_base)
