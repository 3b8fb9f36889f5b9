"""Connections: what is no HTTP, comes without end, or is read by nobody, holds none and fills no log."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator

import httpx
import pytest

from tests.fakes.served import Served
from tests.fakes.waiting import until
from tests.serve.conftest import TOKEN
from yolorknn.serve.page import Page


@pytest.fixture(scope="module")
def closed(served: Served) -> Iterator[Page]:
    with Page(served.watcher, served.hub, port=0, token=TOKEN) as made:
        yield made


def test_what_strangers_send_fills_no_log(closed: Page, caplog: pytest.LogCaptureFixture) -> None:
    with socket.create_connection(("127.0.0.1", int(closed.url.rpartition(":")[2])), 10) as one:
        one.sendall(b"no HTTP\r\n\r\n")
        assert b" 400 " in one.recv(100)
    httpx.get(f"{closed.url}/healthz", trust_env=False, headers={"Connection": "Upgrade", "Upgrade": "websocket"})
    assert not caplog.records


def test_headers_without_end_and_connections_that_ask_nothing_end(
    closed: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("yolorknn.serve.protocol.PATIENCE", 0.3)
    host, _, port = closed.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), 10) as quiet:
        quiet.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n")
        assert quiet.recv(100) == b""
    with socket.create_connection((host, int(port)), 10) as loud:
        loud.sendall(b"GET / HTTP/1.1\r\nX: " + b"x" * 200000)
        assert b" 400 " in loud.recv(100)


@pytest.mark.parametrize("request_line", [b"GET /login", b"GET /api/v1/stream"])
def test_one_who_reads_nothing_keeps_no_connection(
    served: Served, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, request_line: bytes
) -> None:
    """With as many as there may be, a stranger without the token would shut everybody out, for as long as he likes."""
    monkeypatch.setattr("yolorknn.serve.protocol.PATIENCE", 0.3)
    monkeypatch.setattr("yolorknn.serve.streams.PATIENCE", 0.3)
    request = request_line + b" HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\n\r\n" % TOKEN.encode()
    with Page(served.watcher, served.hub, port=0, token=TOKEN) as page, socket.socket() as slow:
        assert page._server is not None
        connections = page._server.server_state.connections
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.connect(("127.0.0.1", int(page.url.rpartition(":")[2])))
        slow.settimeout(0.5)
        with contextlib.suppress(TimeoutError, OSError):
            slow.sendall(request * (500 if b"login" in request_line else 1))
        until(lambda: len(connections) == 1)
        until(lambda: not connections)
        assert not caplog.records


def test_a_further_request_that_does_not_come_whole_is_let_go(closed: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else so many of them as there may be connections would shut everybody out; one that goes on asking stays."""
    monkeypatch.setattr("yolorknn.serve.protocol.PATIENCE", 0.5)
    request = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    place = ("127.0.0.1", int(closed.url.rpartition(":")[2]))

    def ask(one: socket.socket) -> None:
        one.sendall(request)
        said = b""
        while not said.endswith(b'"ok"}'):
            said += one.recv(4096) or pytest.fail("it was closed")

    with socket.create_connection(place, 5) as slow, socket.create_connection(place, 5) as good:
        ask(slow)
        ask(good)
        end = time.monotonic() + 3
        slow.settimeout(0.1)
        held = True
        while held and time.monotonic() < end:
            try:
                slow.sendall(b"G")
                held = slow.recv(4096) != b""
            except TimeoutError:
                ask(good)
            except OSError:
                held = False
        assert not held
