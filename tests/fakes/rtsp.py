"""A network camera: an RTSP server over TCP that replays H.264, and fails in every way that is asked for."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import re
import select
import socket
import struct
import threading
import time
from collections.abc import Iterator

from tests.fakes.clips import Clip

PART = 1300
"""Bytes of a NAL unit in one RTP packet."""
LINGER_NOT = struct.pack("ii", 1, 0)


def readable(one: socket.socket, seconds: float) -> bool:
    """Wait until there is something to read, also where more files are open than select() knows."""
    poll = select.poll()
    poll.register(one, select.POLLIN)
    return bool(poll.poll(1000 * seconds))


class RtspCamera:
    """A camera on a free port of 127.0.0.1; each of its faults is a method or an attribute.

    Attributes:
        url: to open it, with user and password where it has one.
        stalled: it answers, and sends no frames.
        mute: it accepts, and answers nothing.
        bad_sdp: what it describes is no video.
        corrupting: frames whose data it damages are still to be sent so many.
        skipping: RTP packets that it is still to lose.
        opened: sessions begun; transports: as asked for.
    """

    def __init__(self, clip: Clip, *, login: tuple[str, str] | None = None) -> None:
        self.clip, self.login = clip, login
        self.stalled = self.mute = self.bad_sdp = False
        self.corrupting = self.skipping = self.opened = self.refused = 0
        self.sent = 0
        self.transports: list[str] = []
        self._jump = 0
        self._end: str | None = None
        self._closed = threading.Event()
        self._clients: set[threading.Thread] = set()
        self._listening: socket.socket | None = None
        self._port = 0
        self.up()

    @property
    def url(self) -> str:
        user = f"{self.login[0]}:{self.login[1]}@" if self.login else ""
        return f"rtsp://{user}127.0.0.1:{self._port}/live"

    def up(self) -> None:
        """Listen, on the port that it had."""
        self._end = None
        listening = socket.socket()
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(("127.0.0.1", self._port))
        listening.listen(16)
        self._port = listening.getsockname()[1]
        self._listening = listening
        self._acceptor = threading.Thread(target=self._accept, args=(listening,), name="camera", daemon=True)
        self._acceptor.start()

    def down(self, how: str = "fin") -> None:
        """End every connection, and refuse others, until up()."""
        listening, self._listening = self._listening, None
        if listening is not None:
            with contextlib.suppress(OSError):
                listening.shutdown(socket.SHUT_RDWR)
            listening.close()
            self._acceptor.join(5)
        self.cut(how)

    def cut(self, how: str = "fin") -> None:
        """End every connection, by "fin" or "rst"; others may come."""
        self._end = how
        for thread in list(self._clients):
            thread.join(5)
        self._end = None

    def jump(self, seconds: float) -> None:
        """Have the times of further frames jump."""
        self._jump += round(seconds * 90000)

    def close(self) -> None:
        self._closed.set()
        self.down()

    def __enter__(self) -> RtspCamera:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _accept(self, listening: socket.socket) -> None:
        while not self._closed.is_set():
            try:
                client, _ = listening.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(client,), name="camera-client", daemon=True)
            self._clients.add(thread)
            thread.start()

    def _serve(self, client: socket.socket) -> None:
        try:
            client.settimeout(5)
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._talk(client)
        except OSError:
            pass
        finally:
            if self._end == "rst":
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NOT)
            client.close()
            self._clients.discard(threading.current_thread())

    def _talk(self, client: socket.socket) -> None:
        """Answer requests; between them send what is due."""
        received = b""
        packets: Iterator[tuple[float, bytes]] | None = None
        due, data = 0.0, b""
        while self._end is None and not self._closed.is_set():
            wait = 0.05 if packets is None else min(0.05, max(0.0, due - time.monotonic()))
            if readable(client, wait):  # never in recv(): an RST cannot be sent from there
                got = client.recv(4096)
                if not got:
                    return
                received += got
                while b"\r\n\r\n" in received and not self.mute:
                    request, _, received = received.partition(b"\r\n\r\n")
                    method = self._answer(client, request.lstrip(b"$").decode("latin-1"))
                    if method == "PLAY":
                        self.opened += 1
                        packets = self._packets()
                        due, data = next(packets)
            if packets is not None and time.monotonic() >= due:
                if not self.stalled:
                    client.sendall(data)
                    self.sent += 1
                due, data = next(packets)

    def _answer(self, client: socket.socket, request: str) -> str:
        method = request.split(maxsplit=1)[0]
        headers = {name.lower(): value for name, value in re.findall(r"^([\w-]+): *(.*?)\r?$", request, re.MULTILINE)}
        sequence = headers.get("cseq", "0")
        extra, body = "", ""
        if method not in ("OPTIONS", "PLAY", "TEARDOWN") and self.login and not self._is_let_in(method, headers):
            self.refused += 1
            challenge = 'WWW-Authenticate: Digest realm="camera", nonce="0123456789abcdef"\r\n'
            client.sendall(f"RTSP/1.0 401 Unauthorized\r\nCSeq: {sequence}\r\n{challenge}\r\n".encode())
            return "refused"
        if method == "OPTIONS":
            extra = "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n"
        elif method == "DESCRIBE":
            body = "v=0\r\nm=nothing\r\n" if self.bad_sdp else self._sdp()
            extra = f"Content-Base: rtsp://127.0.0.1:{self._port}/live/\r\nContent-Type: application/sdp\r\n"
        elif method == "SETUP":
            self.transports.append(headers["transport"])
            extra = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n"
        answer = (
            f"RTSP/1.0 200 OK\r\nCSeq: {sequence}\r\nSession: 1\r\n{extra}Content-Length: {len(body)}\r\n\r\n{body}"
        )
        client.sendall(answer.encode())
        return method

    def _is_let_in(self, method: str, headers: dict[str, str]) -> bool:
        given = dict(re.findall(r'(\w+)="([^"]*)"', headers.get("authorization", "")))
        assert self.login is not None
        user, password = self.login

        def md5(text: str) -> str:
            return hashlib.md5(text.encode()).hexdigest()

        asked = f"{method}:{given.get('uri')}"
        expected = md5(f"{md5(f'{user}:camera:{password}')}:0123456789abcdef:{md5(asked)}")
        return given.get("response") == expected

    def _sdp(self) -> str:
        sets = ",".join(base64.b64encode(unit).decode() for unit in self.clip.parameters)
        return (
            "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=camera\r\nt=0 0\r\na=range:npt=0-\r\n"
            "m=video 0 RTP/AVP 96\r\nc=IN IP4 0.0.0.0\r\na=rtpmap:96 H264/90000\r\n"
            f"a=fmtp:96 packetization-mode=1;sprop-parameter-sets={sets}\r\na=control:track1\r\n"
        )

    def _packets(self) -> Iterator[tuple[float, bytes]]:
        """Give each frame's RTP packets and the moment at which they are due, for ever."""
        sequence, ticks, due = 0, 0, time.monotonic()
        clip, number = self.clip, 0
        while True:
            units = clip.units[number % len(clip.units)]
            data = b""
            for position, unit in enumerate(units):
                payload = unit
                if self.corrupting > 0 and unit[0] & 31 in (1, 5):
                    self.corrupting -= 1
                    payload = _damaged(unit)
                parts = list(_parts(payload))
                for part, chunk in enumerate(parts):
                    last = position == len(units) - 1 and part == len(parts) - 1
                    header = struct.pack(
                        ">BBHII", 0x80, 96 | last << 7, sequence & 0xFFFF, ticks + self._jump & 0xFFFFFFFF, 1
                    )
                    sequence += 1
                    if self.skipping > 0 and unit[0] & 31 in (1, 5):
                        self.skipping -= 1
                        continue
                    data += struct.pack(">cBH", b"$", 0, len(header) + len(chunk)) + header + chunk
            yield due, data
            number += 1
            ticks += 90000 // clip.fps
            due += 1 / clip.fps
            if (
                behind := time.monotonic() - due
            ) > 1:  # its clock goes on while nobody reads, or this process is stopped
                due, ticks = due + behind, ticks + round(behind * 90000)
            if self.clip is not clip and number % len(clip.units) == 0:
                clip, number = self.clip, 0


def _parts(unit: bytes) -> Iterator[bytes]:
    """Give the payloads of a NAL unit: as it is, or in fragments (FU-A)."""
    if len(unit) <= PART:
        yield unit
        return
    for start in range(1, len(unit), PART):
        end = start + PART >= len(unit)
        mark = (start == 1) << 7 | end << 6 | unit[0] & 0x1F
        yield bytes([unit[0] & 0xE0 | 28, mark]) + unit[start : start + PART]


def _damaged(unit: bytes) -> bytes:
    """Return the unit with its middle third overwritten, as a bad cable leaves it; less may still be a picture."""
    third = len(unit) // 3
    return unit[:third] + bytes(byte ^ 0x5A for byte in unit[third : 2 * third]) + unit[2 * third :]
