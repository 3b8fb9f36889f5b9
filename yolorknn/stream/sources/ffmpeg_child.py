"""A decoder in a process of its own, an ffmpeg that has the chip's: what leaks, hangs or crashes ends with it."""

from __future__ import annotations

import heapq
import os
import re
import select
import subprocess
import tempfile
import time
from contextlib import suppress
from typing import Any

import cv2
import numpy as np

from yolorknn.errors import SourceError
from yolorknn.image import Image
from yolorknn.runtime.memory import resident_mb
from yolorknn.stream.sources.decoders import Picture, seconds
from yolorknn.stream.sources.nal import BEGINNING
from yolorknn.text import reason_of, shown

STUCK = 3.0
"""Seconds in which the process takes nothing and gives nothing, after which it is ended."""
AT_ONCE = 0.1
"""Seconds that the picture of the only packet under way is waited for."""
LARGEST_MB = 512.0
"""Resident memory from which it is begun anew, at the next picture that stands alone."""
MOST_HELD, HELD_LONG = 16, 200
"""Packets without a picture, and for how many packets on, from which it left some out, so that times are others': it is
begun anew too."""
MOST_SAID = 1 << 16
"""Bytes of its complaints, of which each damaged packet may bring some, from which they are thrown away."""
DELIMITERS = {"h264": b"\0\0\0\1\x09\xf0", "hevc": b"\0\0\0\1\x46\x01\x50"}
"""What follows each packet, so that its end is known before the next one comes."""
_CHUNK = 1 << 20


class FfmpegChild:
    """Packets into its stdin, pictures out of its stdout; the stream's address, and a password in it, stay here.

    Args:
        stream: of PyAV, in Annex B's form.
        program: the ffmpeg.
        decoder: what it is to decode with.

    Raises:
        SourceError: the stream has another form, or the process cannot be begun.
    """

    def __init__(self, stream: Any, program: str, decoder: str) -> None:
        context = stream.codec_context
        self._extradata = bytes(context.extradata or b"")
        if self._extradata[:1] == b"\1":
            raise SourceError("the stream is not in Annex B's form")
        self._codec, self._program, self._decoder = context.name, program, decoder
        self._parameters = b""
        self._held = 0
        self._begin()

    def decode(self, packet: Any, *, alone: bool) -> list[Picture]:
        if not packet.size:
            return []
        if packet.is_keyframe:
            parameters = parameters_of(bytes(memoryview(packet)[:BEGINNING]), self._codec)
            changed = parameters and self._parameters and parameters != self._parameters
            worn = self._held > HELD_LONG or resident_mb(self._process.pid) > LARGEST_MB
            if changed or worn:  # it would scale another size to the first
                self.close()
                self._begin()
            self._parameters = parameters or self._parameters
            self._forget_complaints()
        self._number += 1
        self._held = self._held + 1 if len(self._times) > MOST_HELD else 0
        heapq.heappush(self._times, (packet.pts if packet.pts is not None else -1, self._number, seconds(packet)))
        if packet.is_keyframe:
            self._keys.add(seconds(packet))
        self._waiting += bytes(packet) + DELIMITERS[self._codec]
        return self._exchange(at_once=len(self._times) == 1)

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()
        self._errors.close()

    def _begin(self) -> None:
        # Without -fflags nobuffer, which would throw away what it looked at to know the stream: the first pictures.
        quick = ["-flags", "low_delay", "-probesize", "32", "-analyzeduration", "0"]
        given = ["-f", self._codec, "-c:v", self._decoder, "-i", "pipe:0"]
        wanted = [
            "-f",
            "yuv4mpegpipe",
            "-pix_fmt",
            "yuv420p",
            "-fps_mode",
            "passthrough",
            "-flush_packets",
            "1",
            "pipe:1",
        ]
        words = [self._program, "-hide_banner", "-loglevel", "error", *quick, *given, *wanted]
        self._errors: Any = tempfile.TemporaryFile()  # noqa: SIM115  close() closes it
        try:
            self._process = subprocess.Popen(
                words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, bufsize=0
            )
        except OSError as exc:
            raise SourceError(f"cannot begin {self._program}: {reason_of(exc)}") from exc
        assert self._process.stdin is not None and self._process.stdout is not None
        self._in, self._out = self._process.stdin.fileno(), self._process.stdout.fileno()
        os.set_blocking(self._in, False)
        os.set_blocking(self._out, False)
        self._waiting, self._got = bytearray(self._extradata), bytearray()
        self._size: tuple[int, int] | None = None
        self._times: list[tuple[int, int, float | None]] = []
        self._keys: set[float | None] = set()
        self._number = 0
        self._held = 0

    def _exchange(self, *, at_once: bool) -> list[Picture]:
        """Give what waits, and take what there is."""
        pictures: list[Picture] = []
        moved, begun = time.monotonic(), time.monotonic()
        while True:
            wait = AT_ONCE - (time.monotonic() - begun) if at_once and not pictures else 0.0
            poll = select.poll()  # select() knows no file above 1023, of which many cameras have more
            poll.register(self._out, select.POLLIN)
            if self._waiting:
                poll.register(self._in, select.POLLOUT)
            ready = {file for file, _ in poll.poll(1000 * (STUCK if self._waiting else max(0.0, wait)))}
            readable, writable = self._out in ready, self._in in ready
            if not readable and not writable:
                if not self._waiting:
                    return pictures
                if time.monotonic() - moved >= STUCK:
                    raise SourceError(f"{self._program} takes no packets any more")
            if writable:
                self._write()
                moved = time.monotonic()
            if readable:
                self._read()
                pictures += self._pictures()
                moved = time.monotonic()

    def _forget_complaints(self) -> None:
        """Empty the file of what it said, which is in no folder, and so would take a disk's room unseen."""
        said = self._errors.fileno()
        if os.fstat(said).st_size > MOST_SAID:
            os.ftruncate(said, 0)
            os.lseek(said, 0, os.SEEK_SET)  # the process writes there too

    def _write(self) -> None:
        try:
            del self._waiting[: os.write(self._in, bytes(self._waiting[:_CHUNK]))]
        except BlockingIOError:
            return
        except OSError as exc:
            raise self._ended() from exc

    def _read(self) -> None:
        data = os.read(self._out, _CHUNK)
        if not data:
            raise self._ended()
        self._got += data

    def _pictures(self) -> list[Picture]:
        """Take whole pictures off what was read: a line on all, then each with a line of its own."""
        found: list[Picture] = []
        while True:
            if self._size is None:
                line, mark, _ = bytes(self._got[:1000]).partition(b"\n")
                if not mark:
                    return found
                words = {word[:1]: word[1:] for word in line.split()[1:]}
                self._size = (int(words[b"H"]), int(words[b"W"]))
                del self._got[: len(line) + 1]
            height, width = self._size
            end = self._got.find(b"\n") + 1
            length = height * width + 2 * ((height + 1) // 2) * ((width + 1) // 2)
            if not end or len(self._got) < end + length:
                return found
            planes = bytes(self._got[end : end + length])
            del self._got[: end + length]
            _, _, when = heapq.heappop(self._times) if self._times else (0, 0, None)
            found.append(Picture(_image_of(planes, height, width), when, when in self._keys, corrupt=False))
            self._keys.discard(when)

    def _ended(self) -> SourceError:
        self._errors.seek(max(0, self._errors.seek(0, os.SEEK_END) - 400))
        said = self._errors.read().decode("utf-8", "replace").strip().rpartition("\n")[2]
        return SourceError(f"{self._program} ended: {shown(said) or 'it said nothing'}")


def parameters_of(packet: bytes, codec: str) -> bytes:
    """Return the sequence parameters (SPS) that stand in the beginning of a packet; another size has others."""
    kind = rb"[\x07\x27\x47\x67]" if codec == "h264" else rb"\x42"
    found = re.search(rb"\x00\x00\x01(" + kind + rb".*?)(?=\x00\x00\x01|\x00\x00\x00|$)", packet, re.DOTALL)
    return found[1] if found else b""


def _image_of(planes: bytes, height: int, width: int) -> Any:
    def image() -> Image:
        if height % 2 or width % 2:
            return _odd(planes, height, width)
        pixels = np.frombuffer(planes, np.uint8).reshape(height * 3 // 2, width)
        return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_YUV2BGR_I420), np.uint8)

    return image


def _odd(planes: bytes, height: int, width: int) -> Image:
    """Return a picture of odd sides: its planes laid into even ones."""
    half = ((height + 1) // 2, (width + 1) // 2)
    data = np.frombuffer(planes, np.uint8)
    luma = cv2.copyMakeBorder(
        data[: height * width].reshape(height, width), 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE
    )
    even = np.concatenate([luma.ravel(), data[height * width :]]).reshape(half[0] * 3, half[1] * 2)
    return np.ascontiguousarray(np.asarray(cv2.cvtColor(even, cv2.COLOR_YUV2BGR_I420), np.uint8)[:height, :width])
