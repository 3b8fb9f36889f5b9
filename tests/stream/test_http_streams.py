"""Over HTTP: a camera's JPEGs without an end, and a file, which has one."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.fakes.clips import drawn, is_whole, number_in
from tests.fakes.videos import write_video
from yolorknn.stream.sources import hardware, polled
from yolorknn.stream.sources.decoders import Software
from yolorknn.stream.sources.open_live import await_live, open_live
from yolorknn.stream.sources.open_source import open_connection
from yolorknn.stream.sources.pyav import PyAvStream
from yolorknn.stream.sources.source import LostError, SilentError

pytest.importorskip("av", reason="PyAV is not installed")
SIZE = (128, 256)
CAMERAS = {"/stream.mjpg": (40, 0.01, 0.0), "/slow.mjpg": (6, 0.7, 0.0), "/mute.mjpg": (2, 0.01, 20.0)}
"""By path: pictures, seconds between two, and for which the connection stays when there are no more."""

PICTURES = ("/snap.jpg", "/snapshot.cgi")


@pytest.fixture
def served(tmp_path: Path) -> Iterator[str]:
    """A server's address: /clip.mp4 is a file, /stream.mjpg a camera, that ends after 40 pictures.

    /slow.mjpg is a slow one, and /mute.mjpg gives two pictures, and no more; PICTURES one for each request.
    """
    clip = write_video(tmp_path / "clip.mp4", [drawn(n, SIZE) for n in range(30)], [n / 25 for n in range(30)])

    ended, asked = threading.Event(), itertools.count()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # as http.server calls it
            if self.path == "/clip.mp4":
                data = clip.read_bytes()
                self.send_response(200)
                self.send_header("Content-Type", "video/mp4")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)
            elif self.path in CAMERAS:
                pictures, period, after = CAMERAS[self.path]
                self.send_response(200)
                self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=aboundarythatislong")
                self.end_headers()
                for number in range(pictures):
                    data = cv2.imencode(".jpg", drawn(number, SIZE))[1].tobytes()
                    head = f"--aboundarythatislong\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n"
                    self.wfile.write(head.encode() + data + b"\r\n")
                    time.sleep(period)
                ended.wait(after)
            elif self.path in PICTURES:
                data = cv2.imencode(".jpg", drawn(next(asked), SIZE))[1].tobytes()
                self.send_response(200)
                self.send_header("Content-Type", "image/jpeg")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)
            else:
                self.send_error(404)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    ended.set()
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_file_is_given_to_its_end_and_not_again(served: str) -> None:
    source = open_live(f"{served}/clip.mp4", keep=True)
    numbers = []
    while (frame := source.read()) is not None:
        assert is_whole(frame.image)
        numbers.append(number_in(frame.image))
    assert numbers == list(range(30))
    assert source.status().state == "ended" and not source.status().losses
    source.close()


def test_a_cameras_jpegs_are_a_stream_whose_end_is_a_loss(served: str) -> None:
    stream = PyAvStream(f"{served}/stream.mjpg")
    numbers = []
    with pytest.raises(LostError) as told:
        while True:
            frame = stream.read()
            assert frame is not None and np.asarray(frame.image).shape == (*SIZE, 3)
            numbers.append(number_in(frame.image))
    assert told.value.reason == "ended" and len(numbers) >= 30 and numbers == sorted(numbers)
    stream.close()


def test_jpegs_are_decoded_on_the_cpu(served: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where an ffmpeg has the chip's decoder for them, which hangs after minutes."""
    monkeypatch.setattr(hardware, "ffmpeg_with", lambda decoder: f"/usr/bin/ffmpeg with {decoder}")
    assert hardware.ways("h264") and not hardware.ways("mjpeg")
    stream = PyAvStream(f"{served}/stream.mjpg")
    assert isinstance(stream._decoder, Software)
    stream.close()


def test_a_camera_of_less_than_two_pictures_a_second_loses_none(served: str) -> None:
    """A wait that ends is the end of a connection over HTTP, and JPEGs have no times by which they could be late."""
    source = open_live(f"{served}/slow.mjpg", keep=True)
    numbers: list[int] = []
    while len(numbers) < 6 and (frame := source.read()) is not None:
        numbers.append(number_in(frame.image))
    status = source.status()
    assert numbers == list(range(6)) and status.epoch == 1
    assert not status.losses and status.frames["late"] == 0
    source.close()


def test_a_camera_that_goes_mute_is_lost(served: str) -> None:
    stream = PyAvStream(f"{served}/mute.mjpg", silence=1.0)
    begun = time.monotonic()
    with pytest.raises(LostError, match="stopped giving frames") as told:
        while time.monotonic() - begun < 10:
            stream.read()
    assert told.value.reason == "silent" and 0.9 < time.monotonic() - begun < 3
    stream.close()


@pytest.mark.parametrize("path", PICTURES)
def test_a_camera_that_gives_a_picture_a_request_is_asked_again(served: str, path: str) -> None:
    """Each was a connection that was lost, and by its name the end of a file."""
    source = await_live(f"{served}{path}", camera="door", wake=threading.Event(), told=lambda _: None, fps=50)
    numbers: list[int] = []
    while len(numbers) < 4 and (frame := source.read()) is not None:
        numbers.append(number_in(frame.image))
    source.close()
    status = source.status()
    assert numbers == sorted(set(numbers)) and len(numbers) == 4
    assert status.epoch == 1 and not status.losses


def test_of_those_that_are_not_wanted_none_is_a_loss(served: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(polled, "EVERY", 0.05)
    source = open_connection(f"{served}/snap.jpg", patience=0.3, fps=0.5, again=True)
    assert source.read() is not None
    with pytest.raises(SilentError):
        source.read()
    assert getattr(source, "unfit")["unwanted"] > 2  # noqa: B009  of a source there may be none
    source.close()


def test_a_picture_that_is_not_asked_for_again_is_a_file(served: str) -> None:
    source = open_live(f"{served}/snap.jpg", keep=True)
    assert source.read() is not None and source.read() is None
    source.close()


def test_a_path_that_is_not_there(served: str) -> None:
    with pytest.raises(LostError, match="there is no such stream") as told:
        PyAvStream(f"{served}/nothing?token=s3cret")
    assert told.value.reason == "absent" and "s3cret" not in str(told.value)
