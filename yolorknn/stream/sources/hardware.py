"""Decoding by the chip, where a way to it is installed: tried at each start, and left where it is wrong."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import cv2
import numpy as np

from yolorknn.errors import SourceError
from yolorknn.image import Image
from yolorknn.progress import tell_once
from yolorknn.stream.sources.decoders import Decoder, Picture, Software, seconds
from yolorknn.stream.sources.ffmpeg_child import FfmpegChild
from yolorknn.stream.sources.ffmpeg_program import ffmpeg_with

CODECS = ("h264", "hevc")
TRIAL = 10.0
"""Seconds within which the chip is to give its first picture, from FFmpeg's first that stands alone on."""
KEPT = 256
"""Pictures of which it is known that they were given."""
BEHIND = 3
"""Pictures by which the chip may be behind FFmpeg when it takes over."""
KEEPS_UP = 120.0
"""Seconds within which it is to be no further behind, as until then both decode; and for which a picture that stands
alone is waited for, of which some cameras send one in half a minute."""
ALIKE = 6.0
"""Levels of grey by which squares of the two pictures may differ: decoders round colours each in their way."""
GRID = (16, 9)
"""Squares that are compared, across and down."""
MOST_FAILURES, WITHIN = 3, 3600.0
"""After so many failures of a way within so many seconds it is not tried in these; one that crashes now and then is."""

_failures: dict[str, deque[float]] = {}
"""Their moments, by way."""
_lock = threading.Lock()


class PyAvRkmpp:
    """The chip through pyav-rkmpp, which stands in PyAV's place."""

    def __init__(self, stream: Any) -> None:
        import av  # noqa: PLC0415

        context = stream.codec_context
        self.name = f"{context.name}_rkmpp"
        self._context: Any = av.CodecContext.create(self.name, "r")
        if context.extradata:
            self._context.extradata = context.extradata
        self._keys: set[float | None] = set()

    def decode(self, packet: Any, *, alone: bool) -> list[Picture]:
        if packet.is_keyframe:
            self._keys.add(seconds(packet))
        return [self._picture(frame, packet.time_base) for frame in self._context.decode(packet)]

    def close(self) -> None:
        self._context = None

    def _picture(self, frame: Any, base: Any) -> Picture:
        when = None if frame.pts is None else float(frame.pts * base)
        key = bool(frame.key_frame) or when in self._keys
        self._keys.discard(when)
        return Picture(
            lambda: np.asarray(frame.to_ndarray(format="bgr24"), np.uint8), when, key, bool(frame.is_corrupt)
        )


def ways(codec: str) -> list[tuple[str, Callable[[Any], Decoder]]]:
    """Return the ways to the chip's decoder that are installed, by what they are called."""
    if codec not in CODECS:
        return []
    found: list[tuple[str, Callable[[Any], Decoder]]] = []
    with suppress(ImportError):
        import av  # noqa: PLC0415

        if f"{codec}_rkmpp" in av.codecs_available:
            found.append((f"{codec}_rkmpp of PyAV", PyAvRkmpp))
    if (program := ffmpeg_with(f"{codec}_rkmpp")) is not None:
        name = f"{codec}_rkmpp of {program}"
        found.append((name, lambda stream: FfmpegChild(stream, program, f"{codec}_rkmpp")))
    return [way for way in found if not _is_refused(way[0])]


def _is_refused(name: str) -> bool:
    with _lock:
        moments = _failures.get(name, deque())
        return len(moments) == MOST_FAILURES and time.monotonic() - moments[0] < WITHIN


def open_decoder(stream: Any) -> Decoder:
    """Return what decodes a stream of PyAV: the chip where there is a way to it, and it proves right; else FFmpeg."""
    for name, opened in ways(stream.codec_context.name):
        try:
            return Trial(stream, name, opened(stream))
        except Exception as exc:  # whatever a vendor's library raises
            _refuse(name, f"cannot be opened ({exc})")
    return Software(stream)


class Trial:
    """Decodes in software until the chip's picture of a packet is the same and it keeps up, then by the chip alone."""

    def __init__(self, stream: Any, name: str, chip: Decoder) -> None:
        self._name, self._software = name, Software(stream)
        self._chip: Decoder | None = chip
        self._proven = self._alone = False
        self._last = time.monotonic() + KEEPS_UP
        self._expected: dict[float | None, Image] = {}
        self._given: deque[float | None] = deque(maxlen=KEPT)
        """Times of the newest pictures that were given out of software."""

    def decode(self, packet: Any, *, alone: bool) -> list[Picture]:
        if self._chip is None:
            return self._software.decode(packet, alone=alone)
        if self._alone:
            return self._by_chip(packet, alone=alone)
        pictures = self._software.decode(packet, alone=alone)
        for picture in pictures:
            if picture.key and not picture.corrupt and not self._expected:
                self._expected[picture.time] = picture.image()
                self._last = time.monotonic() + TRIAL
        try:
            chips = self._chip.decode(packet, alone=alone)
        except Exception as exc:  # whatever a vendor's library raises
            self._leave(f"failed ({exc})")
            return pictures
        if not self._proven:
            self._compare(chips)
        self._given += [picture.time for picture in pictures]
        if self._proven and chips and chips[-1].time in list(self._given)[-BEHIND:]:
            self._alone = True
            self._expected.clear()
            tell_once(f"{self._name} decodes, its first picture as FFmpeg's")
        elif self._proven and time.monotonic() > self._last:
            self._leave(f"stays more than {BEHIND} pictures behind")
        return pictures

    def close(self) -> None:
        self._software.close()
        if self._chip is not None:
            self._chip.close()

    def _by_chip(self, packet: Any, *, alone: bool) -> list[Picture]:
        assert self._chip is not None
        try:
            pictures = self._chip.decode(packet, alone=alone)
        except Exception as exc:
            self._leave(f"failed ({exc})")
            raise SourceError(f"{self._name} failed: {exc}") from exc
        if not self._given:
            return pictures
        fresh = [picture for picture in pictures if picture.time not in self._given]
        if fresh:
            self._given.clear()
        return fresh

    def _compare(self, pictures: list[Picture]) -> None:
        for picture in pictures:
            expected = self._expected.get(picture.time)
            if expected is None:
                continue
            if (difference := apart(picture.image(), expected)) > ALIKE:
                self._leave(f"gives wrong pictures ({difference:.0f} levels apart)")
                return
            self._proven, self._last = True, time.monotonic() + KEEPS_UP
            return
        if time.monotonic() > self._last and self._expected:
            self._leave(f"gave no picture in {TRIAL:g} s")
        elif time.monotonic() > self._last:
            self._leave(f"could not be compared, as no picture that stands alone came in {KEEPS_UP:g} s", failed=False)

    def _leave(self, why: str, *, failed: bool = True) -> None:
        _refuse(self._name, why, failed=failed)
        if self._chip is not None:
            with suppress(Exception):
                self._chip.close()
        self._chip = None


def apart(one: Image, other: Image) -> float:
    """Return by how many levels the squares of two pictures differ at most; 255 for other sizes."""
    if one.shape != other.shape:
        return 255.0
    means = [cv2.resize(image, GRID, interpolation=cv2.INTER_AREA).astype(np.float32) for image in (one, other)]
    return float(np.abs(means[0] - means[1]).max())


def _refuse(name: str, why: str, *, failed: bool = True) -> None:
    with _lock:
        if failed:
            _failures.setdefault(name, deque(maxlen=MOST_FAILURES)).append(time.monotonic())
    tell_once(f"{name} {why}: FFmpeg decodes on the CPU; see 'yolorknn doctor'")
