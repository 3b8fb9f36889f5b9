"""What goes on while somebody looks: encoded once, the newest only, and nobody holds up another."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import time
from collections.abc import Iterator
from typing import Any

import cv2
import httpx
import numpy as np
import pytest

from tests.fakes.clips import number_in
from tests.fakes.served import Served
from tests.fakes.waiting import until
from yolorknn.runtime.memory import resident_mb
from yolorknn.serve import streams
from yolorknn.serve.page import Page

V1 = "/api/v1"


def parts(answer: httpx.Response) -> Iterator[tuple[str, bytes]]:
    """Yield the parts of a multipart answer, by its boundary and lengths, as RFC 2046 has them."""
    boundary = b"--" + re.search(r"boundary=(.+)", answer.headers["content-type"]).group(1).encode()  # type: ignore[union-attr]
    held, chunks = b"", answer.iter_raw()
    while True:
        while b"\r\n\r\n" not in held:
            held += next(chunks)
        head, _, held = held.partition(b"\r\n\r\n")
        assert head.lstrip(b"\r\n").startswith(boundary), head
        length = int(re.search(rb"Content-Length: (\d+)", head).group(1))  # type: ignore[union-attr]
        while len(held) < length:
            held += next(chunks)
        yield re.search(rb"Content-Type: (\S+)", head).group(1).decode(), held[:length]  # type: ignore[union-attr]
        held = held[length:]


def image(data: bytes) -> np.ndarray:
    return np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR))


def test_all_cameras_come_over_one_connection_each_picture_behind_its_record(ask: httpx.Client) -> None:
    seen: dict[str, list[tuple[int, int]]] = {"door": [], "yard": []}
    statuses = 0
    record: Any = None
    with ask.stream("GET", f"{V1}/stream") as answer:
        found = parts(answer)
        kind, hello = next(found)
        assert [camera["name"] for camera in json.loads(hello)["hello"]["about"]] == ["door", "yard", "attic"]
        for kind, data in found:
            said: Any = json.loads(data) if kind == "application/json" else {}
            statuses += "status" in said
            if kind == "image/jpeg":
                seen[record["camera"]].append((record["frame"], number_in(image(data))))
            record = said.get("result")
            if statuses > 2 and min(map(len, seen.values())) > 5:
                break
    for numbers in seen.values():
        frames = [frame for frame, _ in numbers]
        assert frames == sorted(set(frames))
        assert len({(frame - number) % 50 for frame, number in numbers}) == 1, "each record is its picture's"


def test_only_the_cameras_that_are_asked_for_come(ask: httpx.Client, served: Served) -> None:
    with ask.stream("GET", f"{V1}/stream?camera=yard") as answer:
        found = (json.loads(data) for kind, data in parts(answer) if kind == "application/json")
        results = (said["result"]["camera"] for said in found if "result" in said)
        assert {next(results) for _ in range(5)} == {"yard"}


def test_who_looks_opens_no_camera(ask: httpx.Client, served: Served) -> None:
    """Five at once, each with every picture's own way; the camera has the one connection that detection has."""
    with contextlib.ExitStack() as looking:
        for path in ("stream", "stream", "cameras/door/mjpeg", "cameras/door/mjpeg", "cameras/yard/mjpeg"):
            found = parts(looking.enter_context(ask.stream("GET", f"{V1}/{path}")))
            looking.callback(found.close)  # type: ignore[attr-defined]
            for _ in range(6):
                next(found)
        assert [camera.opened for camera in served.cameras] == [1, 1]


def test_mjpeg_moves(ask: httpx.Client) -> None:
    with ask.stream("GET", f"{V1}/cameras/door/mjpeg?annotated=true") as answer:
        assert answer.headers["content-type"].startswith("multipart/x-mixed-replace; boundary=")
        found = parts(answer)
        assert len({number_in(image(next(found)[1])) for _ in range(5)}) == 5


def test_every_result_is_told_of_as_an_event(ask: httpx.Client) -> None:
    frames: list[int] = []
    with ask.stream("GET", f"{V1}/detections/events?camera=door") as answer:
        for line in answer.iter_lines():
            if line.startswith("data: "):
                record = json.loads(line.removeprefix("data: "))
                assert record["camera"] == "door" and len(record["detections"]) == 3
                frames.append(record["frame"])
            if len(frames) == 20:
                break
    assert frames == sorted(set(frames))


def test_who_looks_costs_one_encoding_a_picture_and_nobody_none(page: Page, served: Served, ask: httpx.Client) -> None:
    """Twenty who never read what they asked for, one who does, and then nobody."""
    host, _, port = page.url.removeprefix("http://").partition(":")
    before = resident_mb()
    slow = [socket.create_connection((host, int(port)), 10) for _ in range(20)]
    try:
        for each in slow:
            each.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            each.sendall(b"GET /api/v1/stream?camera=door HTTP/1.1\r\nHost: localhost\r\n\r\n")
        time.sleep(0.5)
        with ask.stream("GET", f"{V1}/stream?camera=door") as answer:
            found = parts(answer)
            encoded, pictures = served.hub.encoded, 0
            while pictures < 10:
                pictures += next(found)[0] == "image/jpeg"
            more = served.hub.encoded - encoded
        assert abs(more - pictures) <= 5, "each is encoded once, not for each who looks"
        assert resident_mb() - before < 20
    finally:
        for each in slow:
            each.close()
    until(lambda: not ask.get(f"{V1}/status").json()["system"]["streams"])
    still = served.hub.encoded
    time.sleep(0.3)
    assert served.hub.encoded == still


def test_one_who_does_not_read_is_let_go(page: Page, ask: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "PATIENCE", 0.5)
    host, _, port = page.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), 10) as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.sendall(b"GET /api/v1/stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
        until(lambda: ask.get(f"{V1}/status").json()["system"]["streams"])
        until(lambda: not ask.get(f"{V1}/status").json()["system"]["streams"])


def test_those_who_look_are_not_too_many(ask: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "MOST_STREAMS", 1)
    with ask.stream("GET", f"{V1}/stream") as answer:
        found = parts(answer)  # kept, as the connection ends with it
        next(found)
        for path in ("/stream", "/detections/events", "/cameras/door/mjpeg"):
            assert ask.get(f"{V1}{path}").status_code == 503
        assert ask.get(f"{V1}/cameras/door/snapshot").status_code == 200


def test_a_page_that_stops_lets_everybody_go(served: Served) -> None:
    page = Page(served.watcher, served.hub, port=0)
    page.start()
    with httpx.Client(trust_env=False) as client, client.stream("GET", f"{page.url}{V1}/stream") as answer:
        found = parts(answer)
        next(found)
        begun = time.monotonic()
        page.stop()
        assert time.monotonic() - begun < 5
        with pytest.raises((StopIteration, RuntimeError, httpx.HTTPError)):
            for _ in range(1000):
                next(found)
