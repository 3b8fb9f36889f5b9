"""What encodes a video: PyAV, or OpenCV where that is not installed.

Both write in parts, each of which can be played when it is written: after SIGKILL all but the last second or two is
there. So the file has its name from the beginning, and is not one for a while and then renamed.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol

import cv2

from yolorknn.errors import OutputError
from yolorknn.files import writing
from yolorknn.image import Image
from yolorknn.stream.opencv_file import video_capture
from yolorknn.text import is_text

TICKS = 90000
"""A second, in PyAV's units here."""
TICK = Fraction(1, TICKS)


@dataclass(frozen=True)
class Encoding:
    """How PyAV encodes H.264."""

    part: float
    """Seconds of a part, which is what a killed process loses at most."""
    options: Mapping[str, str]
    """Of libx264."""
    quick: bool = False
    """Whether colours, which are stored for four pixels at once, are those of one of them, in place of their mean."""


KEPT = Encoding(2.0, {"preset": "veryfast", "crf": "21", "bf": "0"})
"""For a video that is looked at again."""
RECORDED = Encoding(1.0, {"preset": "ultrafast", "tune": "zerolatency", "qp": "24", "threads": "1"}, quick=True)
"""For what goes on beside detection all day: half the CPU, and no frame waits in the encoder for those after it.

With a constant quantizer x264 does not look at each frame first to choose one, which takes a quarter of its time at
this preset. 24 is about as sharp as crf 23: a moving camera takes half the bytes, a noisy night half as many more.
"""


def _set_log_level(level: int) -> int:
    """Set what OpenCV prints, and return what it did before; 4.13 has it elsewhere."""
    home: Any = cv2 if hasattr(cv2, "setLogLevel") else vars(cv2.utils)["logging"]
    before: int = home.setLogLevel(level)
    return before


class Encoder(Protocol):
    """Writes frames of one size, which has even sides."""

    path: Path
    caveat: str
    """What to know of the file, where it does not play everywhere."""

    def write(self, image: Image, seconds: float) -> None:
        """Append one BGR frame, to be shown so many seconds after the first, and after the one before."""

    def close(self) -> None:
        """Finish the file."""


def open_encoder(path: Path, *, fps: float, size: tuple[int, int], encoding: Encoding = KEPT) -> Encoder:
    """Begin a video of `size` (height, width) at `path`, or, without PyAV, beside it as .mkv.

    Raises:
        OutputError: it cannot be written.
    """
    try:
        return _PyAv(path, fps=fps, size=size, encoding=encoding)
    except ImportError:
        return _OpenCv(path.with_suffix(".mkv"), fps=fps, size=size)


def _begin(path: Path) -> None:
    """Make the file anew, so that a link in its place is not followed and the folder is known to be writable."""
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_symlink() or path.is_file():
            path.unlink()
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666))


class _PyAv:
    """H.264 in .mp4, in fragments; closed, it is made one without them, which seeks faster."""

    caveat = ""

    def __init__(self, path: Path, *, fps: float, size: tuple[int, int], encoding: Encoding) -> None:
        import av  # noqa: PLC0415

        self.path = path
        # It lends the array, which is not copied once more; PyAV 18 takes one whose rows are no four times for smaller.
        lent = encoding.quick and size[0] % 4 == 0
        self._made: Any = av.VideoFrame.from_numpy_buffer if lent else av.VideoFrame.from_ndarray
        self._error: type[Exception] = av.error.FFmpegError
        if "libx264" not in av.codecs_available:
            raise ImportError("this PyAV has no encoder for H.264")
        _begin(path)
        rate = Fraction(fps).limit_denominator(1001)
        flags = "frag_keyframe+empty_moov+default_base_moof"
        if av.library_versions["libavformat"] >= (61, 7):
            flags = "+hybrid_fragmented"
        with self._writing():
            options = {"movflags": flags, "flush_packets": "1"}
            self._container = av.open(f"file:{path}", "w", format="mp4", options=options)
            self._stream: Any = self._container.add_stream("libx264", rate=rate, options=dict(encoding.options))
            self._stream.height, self._stream.width = size
            self._stream.pix_fmt = "yuv420p"
            self._stream.codec_context.time_base = TICK
            self._stream.codec_context.gop_size = max(1, round(encoding.part * fps))
        self._key_frame = av.video.frame.PictureType.I
        self._last, self._key, self._part, self._quick = -1, 0.0, encoding.part, encoding.quick

    def write(self, image: Image, seconds: float) -> None:
        planes = cv2.cvtColor(image, cv2.COLOR_BGR2YUV_I420) if self._quick else image
        frame = self._made(planes, format="yuv420p" if self._quick else "bgr24")
        frame.pts = self._last = max(self._last + 1, round(seconds * TICKS))
        frame.time_base = TICK
        if seconds - self._key >= self._part:  # a part begins with one; it is due by time, as frames may be few
            frame.pict_type, self._key = self._key_frame, seconds
        with self._writing():
            self._container.mux(self._stream.encode(frame))

    def close(self) -> None:
        with self._writing():
            try:
                self._container.mux(self._stream.encode(None))
            finally:
                self._container.close()

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            with writing(self.path):
                yield
        except self._error as exc:  # one of its own that is no OSError
            raise OutputError(f"cannot write {self.path}: {exc}") from exc


class _OpenCv:
    """What OpenCV can encode, in .mkv, at a constant rate: a frame is repeated until the next one's time."""

    def __init__(self, path: Path, *, fps: float, size: tuple[int, int]) -> None:
        self.path, self._fps = path, fps
        self._last: Image | None = None
        self._written = 0
        if not is_text(str(path)):
            raise OutputError(f"OpenCV writes no video whose name is no UTF-8, as {path}: rename it, or pip install av")
        _begin(path)
        level = _set_log_level(0)  # it would print that it has no encoder for H.264
        try:
            for code in ("avc1", "mp4v"):
                fourcc = cv2.VideoWriter.fourcc(*code)
                self._writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, fourcc, fps, (size[1], size[0]))
                if self._writer.isOpened():
                    break
        finally:
            _set_log_level(level)
        if not self._writer.isOpened():
            with contextlib.suppress(OSError):
                path.unlink()
            raise OutputError(f"cannot write the video {path}: OpenCV has no encoder; pip install av")
        what = "H.264 in .mkv, which not all" if code == "avc1" else "MPEG-4 in .mkv, which no"
        self.caveat = f"the video is {what} browsers and phones play: for H.264 in .mp4, pip install av"

    def write(self, image: Image, seconds: float) -> None:
        held, self._last = self._last, image  # before it is written: Ctrl-C amid that is raised when it has been
        self._repeat(held, round(seconds * self._fps))

    def close(self) -> None:
        held, self._last = self._last, None
        try:
            self._repeat(held, self._written + 1)
        finally:
            self._writer.release()
        check = video_capture(self.path, [cv2.CAP_PROP_FORMAT, -1])
        whole = self._written > 0 and sum(1 for _ in iter(check.grab, False)) == self._written
        check.release()
        if not whole:
            raise OutputError(f"cannot finish the video {self.path}: is the disk full?")

    def _repeat(self, image: Image | None, count: int) -> None:
        """Write an image until there are so many; at least once, that none is lost."""
        if image is None:
            return
        for _ in range(max(1, count - self._written)):
            self._written += 1
            self._writer.write(image)
