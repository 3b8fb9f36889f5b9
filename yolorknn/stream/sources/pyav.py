"""Network streams as PyAV reads them: damaged and late frames are seen, and never given.

PyAV is imported when a stream is opened. Packets are read and decoded one by one, as its own loop over frames hides a
timeout. A connection that ends shows as the end of that loop, without an error.
"""

from __future__ import annotations

import math
import time
from collections import Counter, deque
from collections.abc import Callable
from typing import Any

from yolorknn.errors import MissingDependencyError
from yolorknn.stream.sources import h264, h265
from yolorknn.stream.sources.decoders import Decoder, Picture, seconds
from yolorknn.stream.sources.hardware import open_decoder
from yolorknn.stream.sources.lag import LATE, Lag
from yolorknn.stream.sources.pace import Pace
from yolorknn.stream.sources.pyav_losses import loss_of
from yolorknn.stream.sources.source import Frame, LostError, SilentError
from yolorknn.text import shown_url, url_name

OPENING, PATIENCE = 5.0, 5.0
"""Seconds that a connection may take, and that a stream may be without a good frame."""
RTSP = {
    "rtsp_transport": "tcp",  # over UDP each lost packet is a damaged picture
    "allowed_media_types": "video",
    "probesize": "32",  # what comes is said in the SDP: opened in 0.1 s, not in 4
    "analyzeduration": "0",
}
OTHERS = {"analyzeduration": "1000000"}
SLICE = 0.5
"""Seconds of one wait for the network, so that read() comes back soon after its patience."""
LONGEST_WAIT = 12.0
"""The same at most where a wait that was cut short cannot be gone on with: fewer than count as a call that hangs."""
RESUMED = ("rtsp", "rtsps")
"""Protocols of which it can; FFmpeg takes a broken off wait of all others, as HTTP, for the stream's end."""
MADE_UP = 1 << 7
"""FFmpeg's flag of a format whose frames carry no times, as of JPEGs over HTTP: it counts 25 in each second."""
PAUSE, PAUSES = 1.0, 5.0
"""A pause is so many seconds without a packet, and so many times what is usual."""
ARRIVALS = 64
"""Packets whose arrival is kept until their pictures come."""
STRICT = {"err_detect": "+aggressive"}
"""A picture with bits behind its end is damaged, to FFmpeg: most damage of CAVLC shows by nothing else."""

_padded = set[str]()
"""Streams all of whose pictures are taken for damaged so: their encoder leaves bits there."""


class PyAvStream:
    """A network stream.

    Args:
        url: of any protocol that FFmpeg knows.
        fps: the most frames a second that are wanted; None for all.
        patience: how long read() waits for a good frame, in seconds.
        opening: how long the connection may take, in seconds.
        silence: seconds without anything after which it is lost, where it is to be found out in one wait.
        decoder: makes pictures of the packets of a PyAV stream.

    Attributes:
        ends: whether it says how long it is, as a file does.
        single: whether it is a picture, and no video.

    Raises:
        MissingDependencyError: PyAV is not installed.
        LostError: nobody answers, or what answers gives no video.
    """

    live = True

    def __init__(
        self,
        url: str,
        *,
        fps: float | None = None,
        patience: float = PATIENCE,
        opening: float = OPENING,
        silence: float = PATIENCE,
        decoder: Callable[[Any], Decoder] = open_decoder,
    ) -> None:
        try:
            import av  # noqa: PLC0415
        except ImportError as exc:
            raise MissingDependencyError("PyAV", "live", "a network stream") from exc
        self._errors, self._shown, self._patience = av.error, shown_url(url), patience
        self.name = url_name(url) or "stream"
        self.count: int | None = None
        self.unfit: Counter[str] = Counter()
        begun = time.monotonic()
        self._resumes = url.partition("://")[0].lower() in RESUMED
        options, wait = (RTSP, SLICE) if self._resumes else (OTHERS, min(silence, LONGEST_WAIT))
        try:
            self._container: Any = av.open(url, options=options, timeout=(opening, wait))
        except (av.error.FFmpegError, OSError, ValueError) as exc:
            mute = time.monotonic() - begun > 0.9 * opening
            raise self._lost(TimeoutError() if mute else exc, opening=True) from exc
        videos = self._container.streams.video
        if not videos:
            self._container.close()
            raise LostError(f"no video from {self._shown}: what answers there is no camera's stream", "broken")
        self._stream: Any = videos[0]
        if self._stream.codec_context.name == "h264" and url not in _padded:
            self._stream.codec_context.options = STRICT
        self._url, self._good = url, False
        self._decoder = decoder(self._stream)
        self._packets = self._container.demux(self._stream)
        self.ends = (self._container.duration or 0) > 0
        form = self._container.format.name
        self.single = form == "image2" or form.endswith("_pipe")
        rate = float(self._stream.average_rate or 0)
        self.fps = rate if 0 < rate < 1000 else 30.0
        self._pace, self._lag = Pace(fps), Lag()
        self._timed = not int(self._container.format.flags) & MADE_UP
        context = self._stream.codec_context
        extradata = bytes(context.extradata or b"")
        self._references: h264.References | h265.References | None = None
        if context.name in ("h264", "hevc") and extradata[:1] != b"\1":  # which says that it is not Annex B's form
            self._references = (h264 if context.name == "h264" else h265).References(extradata)
        self._pictures: deque[Picture] = deque()
        self._arrivals: dict[float | None, float] = {}
        self._sound, self._ended = True, False
        self._skipping = ""
        self._key = self._between_keys = self._came = self._usual = 0.0
        self._doubted = (0.0, math.inf)

    @property
    def jumps(self) -> int:
        """How often the times that its frames carry jumped; they are not relied on."""
        return self._lag.jumps

    def read(self) -> Frame | None:
        last, before = time.monotonic() + self._patience, Counter(self.unfit)
        while True:
            while self._pictures:
                if (frame := self._given(self._pictures.popleft())) is not None:
                    return frame
            if self._ended:
                return None
            if time.monotonic() > last:
                raise self._silent(self.unfit - before)
            self._read_packet()

    def close(self) -> None:
        self._decoder.close()
        self._container.close()

    def _read_packet(self) -> None:
        try:
            packet = next(self._packets, None)
            if packet is None or not packet.size:
                if not self.ends:
                    raise LostError(f"{self._shown} ended the connection: is the camera restarting?", "ended")
                self._ended = True
            if packet is not None and self._is_worth(packet):
                alone = self._between_keys > 0 and self._keys_are_enough
                pictures = self._decoder.decode(packet, alone=alone)
                self.unfit["corrupt"] += not pictures and not self._sound  # FFmpeg leaves out what it knows is damaged
                self._pictures.extend(pictures)
        except self._errors.InvalidDataError:
            self.unfit["corrupt"] += 1
            self._doubt()
        except (self._errors.ExitError, TimeoutError) as exc:  # nothing came
            if not self._resumes:
                raise LostError(self._stopped, "silent") from exc
            self._packets = self._container.demux(self._stream)
        except (self._errors.FFmpegError, OSError) as exc:
            raise self._lost(exc) from exc

    @property
    def _keys_are_enough(self) -> bool:
        return 0 < self._between_keys < self._pace.period

    def _is_worth(self, packet: Any) -> bool:
        """Tell whether to decode a packet: others than keys need all before them, and are left out for a whole gap."""
        now, when = time.monotonic(), seconds(packet)
        self._note_pause(now)
        behind = self._lag.note(now, when if self._timed else None)
        self._arrivals[when] = now
        if len(self._arrivals) > ARRIVALS:
            del self._arrivals[next(iter(self._arrivals))]
        if self._references is not None and self._references.is_missing(bytes(packet)):
            self._doubt(when)
        if packet.is_keyframe or not packet.size:
            self._key, self._between_keys = now, now - self._key if self._key else 0.0
            self._skipping = ""
        elif not self._skipping:
            self._skipping = "late" if behind else "unwanted" if self._keys_are_enough else ""
        if self._skipping:
            self.unfit[self._skipping] += 1
        return not self._skipping

    def _doubt(self, when: float | None = None) -> None:
        """Give nothing until a picture that stands alone came after what came last, or is shown after that of `when`.

        Where pictures are shown in another order, they come out later than they went in.
        """
        self._sound, self._doubted = False, (self._came, math.inf if when is None else when)

    def _note_pause(self, now: float) -> None:
        """After a pause, trust only a picture that stands alone: what was lost meanwhile may not show in numbers."""
        between = now - self._came if self._came else 0.0
        if self._usual and between > max(PAUSE, PAUSES * self._usual):
            self._doubt()
        self._usual = between if not self._usual else 0.9 * self._usual + 0.1 * between
        self._came = now

    def _given(self, picture: Picture) -> Frame | None:
        """Return the frame of a picture; None where it is not fit, or not wanted."""
        now = time.monotonic()
        arrived = self._arrivals.pop(picture.time, now)
        mended = picture.key and (arrived > self._doubted[0] or (picture.time or 0.0) > self._doubted[1])
        self._sound = not picture.corrupt and (self._sound or mended)
        late = now - arrived > LATE or (self._timed and self._lag.note(now, picture.time))
        why = "corrupt" if not self._sound else "late" if late else "" if self._pace.due(arrived) else "unwanted"
        if why:
            self.unfit[why] += 1
            return None
        self._good = True
        return Frame(picture.image(), time.time() - (now - arrived), self._shown, arrived=arrived)

    def _silent(self, unfit: Counter[str]) -> SilentError:
        if unfit["corrupt"]:
            if not self._good:
                _padded.add(self._url)
            return SilentError(f"{self._shown} gives damaged frames only: is the network overloaded?", "damaged")
        if unfit["late"]:
            return SilentError(
                f"{self._shown} gives late frames only: is this machine or the network overloaded?", "late"
            )
        return SilentError(self._stopped, "silent")

    @property
    def _stopped(self) -> str:
        return f"{self._shown} stopped giving frames: check the camera and the network"

    def _lost(self, exc: Exception, *, opening: bool = False) -> LostError:
        reason, why = loss_of(exc, self._errors, opening=opening)
        what = "no video from" if opening else "lost"
        return LostError(f"{what} {self._shown}: {why}", reason)
