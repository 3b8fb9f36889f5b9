"""A USB or other camera as the kernel gives it (V4L2): each wait has an end, and damaged pictures are seen."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import logging
import mmap
import os
import select
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from yolorknn.image import Image
from yolorknn.stream.sources import v4l2_api as api
from yolorknn.stream.sources.pace import Pace
from yolorknn.stream.sources.source import Frame, LostError, Reason, SilentError
from yolorknn.text import reason_of

BUFFERS = 4
LARGE = 640 * 480
"""Pixels above which USB 2 has no room for raw pictures at a usual rate, so that JPEG is asked for first."""
FORMATS = (b"MJPG", b"YUYV", b"UYVY", b"NV12")
"""Pixel formats that become BGR here, in the order of asking."""

_logger = logging.getLogger(__name__)


class OtherFormatError(Exception):
    """The device is no single-planar camera with one of FORMATS; OpenCV may read it."""


class V4l2Camera:
    """A camera.

    Args:
        device: /dev/video0, or a link to it.
        name: what a folder of results is called after, and its frames say they are of.
        fps: the most frames a second that are wanted; None for all.
        size: width and height in pixels to ask for; None for what it is set to.
        patience: how long read() waits for a good frame, in seconds.

    Raises:
        OtherFormatError: see there.
        LostError: absent, in use, or not permitted.
    """

    live = True
    count: int | None = None

    def __init__(
        self,
        device: Path,
        *,
        name: str,
        fps: float | None = None,
        size: tuple[int, int] | None = None,
        patience: float,
    ) -> None:
        self.name, self._device, self._patience = name, device, patience
        self.unfit: Counter[str] = Counter()
        self._pace = Pace(fps)
        self._maps: list[mmap.mmap] = []
        try:
            self._file = os.open(device, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as exc:
            raise self._lost(exc) from exc
        try:
            self._check_kind()
            self._format = self._set_format(size)
            self.fps = self._set_rate(fps)
            self._begin()
        except OSError as exc:
            self.close()
            raise self._lost(exc) from exc
        except BaseException:
            self.close()
            raise
        self._poll = select.poll()
        self._poll.register(self._file, select.POLLIN)

    def read(self) -> Frame | None:
        last, damaged = time.monotonic() + self._patience, self.unfit["corrupt"]
        while (left := last - time.monotonic()) > 0:
            try:
                if not self._poll.poll(1000 * left):
                    break
                frame = self._take()
            except OSError as exc:
                raise self._lost(exc) from exc
            if frame is not None:
                return frame
        if self.unfit["corrupt"] > damaged:
            raise SilentError(f"{self.name} gives damaged pictures only: check its cable and hub", "damaged")
        raise SilentError(f"{self.name} stopped giving pictures: check its cable and hub", "silent")

    def close(self) -> None:
        with suppress(OSError):
            self._call(api.STREAM_OFF, ctypes.c_int(api.CAPTURE))
        for mapped in self._maps:
            mapped.close()
        self._maps = []
        with suppress(OSError):
            os.close(self._file)
        self._file = -1

    def _call(self, call: int, what: Any) -> None:
        fcntl.ioctl(self._file, call, what)

    def _check_kind(self) -> None:
        said = api.Capability()
        try:
            self._call(api.QUERYCAP, said)
        except OSError as exc:
            if exc.errno == errno.ENOTTY:
                raise OtherFormatError(f"{self._device} is no video device") from exc
            raise
        can = said.device if said.capabilities & api.HAS_DEVICE_CAPS else said.capabilities
        if not (can & api.CAN_CAPTURE and can & api.CAN_STREAM):
            raise OtherFormatError(f"{self._device} gives no single-planar video")

    def _set_format(self, size: tuple[int, int] | None) -> api.Format:
        now = api.Format(kind=api.CAPTURE)
        self._call(api.GET_FORMAT, now)
        width, height = size or (now.width, now.height)
        order = FORMATS if width * height > LARGE else (b"YUYV", *(kind for kind in FORMATS if kind != b"YUYV"))
        for pixels in order:
            asked = api.Format(kind=api.CAPTURE, width=width, height=height, pixels=pixels)
            with suppress(OSError):  # EINVAL: not this one
                self._call(api.SET_FORMAT, asked)
                if bytes(asked.pixels) == pixels:
                    if size and (asked.width, asked.height) != size:
                        _logger.warning("%s has no %dx%d: it gives %dx%d", self.name, *size, asked.width, asked.height)
                    return asked
        self._call(api.SET_FORMAT, now)  # one that is busy refuses this too
        raise OtherFormatError(f"{self._device} has none of {', '.join(kind.decode() for kind in FORMATS)}")

    def _set_rate(self, fps: float | None) -> float:
        """Ask for at least a rate, where one is wanted, and return the one that it says it has."""
        rate = api.Rate(kind=api.CAPTURE, seconds=1000 if fps else 0, frames=round(1000 * fps) if fps else 0)
        try:
            self._call(api.SET_RATE, rate)
        except OSError:  # it has none to set
            return 30.0
        said = rate.frames / rate.seconds if rate.seconds else 0.0
        return said if 0 < said < 1000 else 30.0

    def _begin(self) -> None:
        request = api.Request(count=BUFFERS, kind=api.CAPTURE, memory=api.MMAP)
        self._call(api.REQUEST, request)
        for index in range(request.count):
            buffer = self._buffer(index)
            self._call(api.QUERY, buffer)
            self._maps.append(mmap.mmap(self._file, buffer.length, offset=buffer.offset & 0xFFFF_FFFF))
            self._call(api.QUEUE, self._buffer(index))
        self._call(api.STREAM_ON, ctypes.c_int(api.CAPTURE))

    @staticmethod
    def _buffer(index: int = 0) -> api.Buffer:
        return api.Buffer(index=index, kind=api.CAPTURE, memory=api.MMAP)

    def _take(self) -> Frame | None:
        """Take the buffer that is ready; None where there is none yet, or its picture is not fit or not wanted."""
        buffer = self._buffer()
        try:
            self._call(api.DEQUEUE, buffer)
        except BlockingIOError:
            return None
        arrived, when = time.monotonic(), time.time()
        image: Image | None = None
        why = "" if self._pace.due(arrived) else "unwanted"
        if not why:
            data = np.frombuffer(self._maps[buffer.index], np.uint8, count=min(buffer.used, buffer.length))
            image = None if buffer.flags & api.DAMAGED else self._decoded(data)
            del data
            why = "corrupt" if image is None else ""
        self._call(api.QUEUE, self._buffer(buffer.index))
        if why:
            self.unfit[why] += 1
        return None if image is None else Frame(image, when, self.name, arrived=arrived)

    def _decoded(self, data: NDArray[np.uint8]) -> Image | None:
        """Return the picture in BGR; None where a part of it is missing."""
        kind, width, height, line = self._format.pixels, self._format.width, self._format.height, self._format.line
        if kind == b"MJPG":
            return whole_jpeg(data)
        rows, row = (height * 3 // 2, width) if kind == b"NV12" else (height, width * 2)
        line = max(line, row)
        if data.size < rows * line:
            return None
        pixels = np.ascontiguousarray(data[: rows * line].reshape(rows, line)[:, :row])
        if kind == b"NV12":
            return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_YUV2BGR_NV12), np.uint8)
        code = cv2.COLOR_YUV2BGR_YUYV if kind == b"YUYV" else cv2.COLOR_YUV2BGR_UYVY
        return np.asarray(cv2.cvtColor(pixels.reshape(height, width, 2), code), np.uint8)

    def _lost(self, exc: OSError) -> LostError:
        reason, why = LOSSES.get(exc.errno or 0, ("broken", reason_of(exc)))
        return LostError(f"no pictures from {self.name} ({self._device}): {why}", reason)


LOSSES: dict[int, tuple[Reason, str]] = {
    errno.ENOENT: ("absent", "it is not there: is it plugged in?"),
    errno.ENODEV: ("unplugged", "it was unplugged, or its hub lost power"),
    errno.ENXIO: ("unplugged", "it was unplugged, or its hub lost power"),
    errno.EIO: ("unplugged", "it does not answer: check its cable and hub"),
    errno.EPROTO: ("unplugged", "it does not answer: check its cable and hub"),
    errno.EBUSY: ("busy", "another program uses it: sudo fuser -v /dev/video*"),
    errno.EACCES: ("denied", "no permission: sudo usermod -aG video $USER, then log in again"),
    errno.ENOSPC: ("busy", "its USB bus has no room for it: ask for a smaller size, or use another port"),
}
"""By the kernel's error: why, and what to do."""


def whole_jpeg(data: NDArray[np.uint8]) -> Image | None:
    """Return a JPEG's picture, BGR uint8 (H, W, 3); None where it has no end: OpenCV would fill the rest with grey."""
    written = int(np.flatnonzero(data[-4096:])[-1]) + max(0, data.size - 4096) + 1 if data[-4096:].any() else 0
    if written < 4 or bytes(data[:2]) != b"\xff\xd8" or bytes(data[written - 2 : written]) != b"\xff\xd9":
        return None
    image: Any = cv2.imdecode(data[:written], cv2.IMREAD_COLOR)
    return None if image is None else np.asarray(image, np.uint8)
