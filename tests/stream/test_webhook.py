"""Webhooks: what a server gets, what is tried again, and what is told of it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.fakes.results import NAMES, result
from yolorknn.errors import OutputError
from yolorknn.stream import backoff
from yolorknn.stream.result import record
from yolorknn.stream.sinks.queued import Queued
from yolorknn.stream.sinks.webhook import Webhook
from yolorknn.tasks.task import Wording

WORDING = Wording(NAMES)


class Server:
    """Answers with the statuses it is told, then with 204, and keeps what it got."""

    def __init__(self) -> None:
        self.statuses: list[int] = []
        self.got: list[tuple[str, str, dict[str, str], bytes]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.got.append((self.command, self.path, dict(self.headers), body))
                self.send_response(outer.statuses.pop(0) if outer.statuses else 204)
                self.send_header("Location", "/elsewhere")
                self.end_headers()

            do_GET = do_POST

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(backoff, "FIRST", 0.001)
    monkeypatch.setenv("no_proxy", "*")
    made = Server()
    yield made
    made.close()


def test_what_is_posted(server: Server) -> None:
    """The JSON line, signed as RFC 2104 says; a server checks it with the time, so that none is played back."""
    Webhook(f"{server.url}/hook?a=1", WORDING, secret="s3cr3t").write(result(7))
    ((method, path, headers, body),) = server.got
    assert (method, path, headers["Content-Type"]) == ("POST", "/hook?a=1", "application/json")
    assert json.loads(body) == record(result(7), WORDING)
    signed = headers["X-Yolorknn-Timestamp"].encode() + b"." + body
    key = b"s3cr3t".ljust(64, b"\0")
    inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in key) + signed).digest()
    outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in key) + inner).hexdigest()
    assert headers["X-Yolorknn-Signature"] == f"sha256={outer}"
    assert hmac.compare_digest(outer, hmac.new(b"s3cr3t", signed, "sha256").hexdigest())


def test_without_a_secret_nothing_is_signed(server: Server) -> None:
    Webhook(server.url, WORDING).write(result())
    assert "X-Yolorknn-Signature" not in server.got[0][2] and server.got[0][1] == "/"


def test_what_may_go_better_later_is_tried_again(server: Server) -> None:
    server.statuses = [503, 429, 408]
    Webhook(server.url, WORDING).write(result())
    deliveries = [headers["X-Yolorknn-Delivery"] for _, _, headers, _ in server.got]
    assert len(deliveries) == 4 and len(set(deliveries)) == 1
    Webhook(server.url, WORDING).write(result())
    assert server.got[-1][2]["X-Yolorknn-Delivery"] != deliveries[0]


def test_tries_end(server: Server) -> None:
    server.statuses = [500] * 9
    with pytest.raises(OutputError, match=r"cannot post to http://127\.0\.0\.1:\d+: it answers 500"):
        Webhook(server.url, WORDING, tries=3).write(result())
    assert len(server.got) == 3


@pytest.mark.parametrize(("status", "why"), [(404, "answers 404"), (401, "401"), (302, "redirect is not followed")])
def test_what_will_not_go_better_is_not_tried_again(server: Server, status: int, why: str) -> None:
    server.statuses = [status]
    with pytest.raises(OutputError, match=why):
        Webhook(server.url, WORDING).write(result())
    assert [method for method, *_ in server.got] == ["POST"]


def test_waits_double(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr("yolorknn.stream.sinks.webhook.time.sleep", waits.append)
    monkeypatch.setattr(backoff, "JITTER", (0.0, 0.0))
    monkeypatch.setattr(Webhook, "_post", lambda *_: ("busy", True))
    with pytest.raises(OutputError):
        Webhook("http://localhost", WORDING, tries=9).write(result())
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60]


def unused_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def test_a_server_that_is_away_or_mute_or_speaks_something_else(server: Server) -> None:
    with pytest.raises(OutputError, match="Connection refused"):
        Webhook(f"http://127.0.0.1:{unused_port()}", WORDING, tries=2).write(result())
    with socket.create_server(("127.0.0.1", 0)) as mute:
        url = f"http://127.0.0.1:{mute.getsockname()[1]}"
        with pytest.raises(OutputError, match="no answer in time"):
            Webhook(url, WORDING, tries=1, timeout=0.1).write(result())

        def talk() -> None:
            for _ in range(2):
                connection = mute.accept()[0]
                connection.recv(100)
                connection.sendall(b"SSH-2.0-OpenSSH\r\n")
                connection.close()

        talking = threading.Thread(target=talk)
        talking.start()
        with pytest.raises(OutputError, match=r"cannot post to http://127\.0\.0\.1"):
            Webhook(url, WORDING, tries=1, timeout=5).write(result())
        with socket.create_connection(mute.getsockname()) as last:
            last.sendall(b"x")
        talking.join()


def test_a_login_is_sent_and_shown_nowhere(server: Server) -> None:
    url = server.url.replace("http://", "http://us%20er:p%40ss@") + "/services/T0/B0/tokentoken"
    server.statuses = [200, 403]
    sink = Webhook(url, WORDING, secret="s3cr3t")
    sink.write(result())
    assert server.got[0][2]["Authorization"] == "Basic " + base64.b64encode(b"us er:p@ss").decode()
    assert server.got[0][1] == "/services/T0/B0/tokentoken"
    with pytest.raises(OutputError) as caught:
        sink.write(result())
    assert not any(word in str(caught.value) for word in ("p@ss", "p%40ss", "token", "s3cr3t"))


NO_URLS = ("", "server/path", "ftp://a/b", "http://", "http://a b/", "http://[::1", "http://a:x/", "file:///etc/passwd")


def test_what_is_no_url_for_it() -> None:
    for url in (*NO_URLS, "http://a/\r\nX: y", "http://é/"):
        with pytest.raises(OutputError, match="needs a URL as https://server/path"):
            Webhook(url, WORDING)


def test_a_dead_server_holds_up_no_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind a queue: each post waits for its time, the queue is full, and write() does not notice."""
    monkeypatch.setenv("no_proxy", "*")
    told: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as mute:
        url = f"http://127.0.0.1:{mute.getsockname()[1]}"
        sink = Queued(
            lambda: Webhook(url, WORDING, tries=1, timeout=0.3),
            name="webhook", drop="new", most=16, pixels=False, patience=0.05, told=told.append,
        )  # fmt: skip
        for number in range(1000):
            sink.write(result(number))
        assert sink.state.dropped >= 983 and sink.state.waiting <= 16
        sink.close()
        sink._thread.join(30)
    assert sink.state.written == 0 and told[0].startswith("webhook does not keep up")
    assert sink.state.failed + sink.state.dropped == 1000 and "no answer in time" in sink.state.error


def test_posts_are_json_of_any_name(server: Server) -> None:
    Webhook(server.url, Wording({2: 'a"\x1b日'})).write(result())
    got: Any = json.loads(server.got[0][3])
    assert got["detections"][0]["name"] == 'a"\x1b日'
