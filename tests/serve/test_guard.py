"""Who may ask: with a token only who has it, without one only this machine, and no page of elsewhere."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator
from unittest.mock import Mock

import httpx
import pytest

from tests.fakes.served import Served
from tests.serve.conftest import TOKEN
from yolorknn.errors import OutputError
from yolorknn.serve import guard
from yolorknn.serve.address import check_address
from yolorknn.serve.guard import Keeper
from yolorknn.serve.page import Page

PATHS = ("/", "/metrics", "/readyz", "/static/app.js", "/api/v1/cameras", "/api/v1/openapi.json", "/nothing")


@pytest.fixture(scope="module")
def closed(served: Served) -> Iterator[Page]:
    with Page(served.watcher, served.hub, port=0, token=TOKEN) as made:
        yield made


@pytest.fixture
def stranger(closed: Page) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=closed.url, trust_env=False) as client:
        yield client


def test_without_the_token_there_is_the_login_page_and_healthz_alone(stranger: httpx.Client) -> None:
    for path in PATHS:
        answer = stranger.get(path)
        assert answer.status_code == (303 if path == "/" else 401), path
        assert b"door" not in answer.content
    assert stranger.get("/healthz").json() == {"status": "ok"}
    assert "<form" in stranger.get("/login").text
    assert stranger.post("/api/v1/detect", content=b"x").status_code == 401
    assert stranger.patch("/api/v1/cameras/door/settings", json={"conf": 0.9}).status_code == 401


def test_a_program_gives_it_in_a_header(stranger: httpx.Client) -> None:
    for path in PATHS[:-1]:
        assert stranger.get(path, headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 200, path
    for wrong in (f"Basic {TOKEN}", "Bearer", TOKEN):
        assert stranger.get("/metrics", headers={"Authorization": wrong}).status_code == 401


def test_a_browser_logs_in_and_out(stranger: httpx.Client) -> None:
    done = stranger.post("/login", data={"token": TOKEN})
    assert done.status_code == 303 and done.headers["location"] == "/"
    cookie = done.headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=strict" in cookie and TOKEN not in cookie
    assert stranger.get("/").status_code == 200
    assert stranger.get("/api/v1/cameras").status_code == 200
    name = Keeper(TOKEN).cookie
    session = stranger.cookies[name]
    stranger.cookies.clear()
    for wrong in ("", ".", "x", session[:-1], f"9{session}", session.replace(".", ".0"), "é.é"):
        answer = stranger.get("/api/v1/cameras", headers={b"Cookie": f"{name}={wrong}".encode()})
        assert answer.status_code == 401, wrong
    stranger.cookies[name] = session
    ended = stranger.post("/logout").headers["set-cookie"]
    assert f'{name}=""' in ended and "Max-Age=0" in ended


def test_of_two_pages_at_ports_of_one_host_a_browser_stays_at_both(closed: Page, served: Served) -> None:
    """As where ssh -L brings each of several boards to one: a cookie is for a host, whatever its port."""
    with (
        Page(served.watcher, served.hub, port=0, token=TOKEN[::-1]) as other,
        httpx.Client(trust_env=False) as browser,
    ):
        for page, token in ((closed, TOKEN), (other, TOKEN[::-1])):
            browser.post(f"{page.url}/login", data={"token": token})
        assert [browser.get(f"{page.url}/readyz").status_code for page in (closed, other)] == [200, 200]


def test_a_session_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    keeper = Keeper(TOKEN)
    session, now = keeper.session(), time.time()
    assert keeper.knows(session) and not Keeper(TOKEN + "x").knows(session)
    monkeypatch.setattr(time, "time", lambda: now + guard.SESSION + 1)
    assert not keeper.knows(session)


def test_wrong_tokens_are_not_looked_at_for_ever(served: Served) -> None:
    with Page(served.watcher, served.hub, port=0, token=TOKEN) as page, httpx.Client(trust_env=False) as client:
        wrong = [client.post(f"{page.url}/login", data={"token": f"guess {n}"}).status_code for n in range(3)]
        wrong += [
            client.get(f"{page.url}/metrics", headers={"Authorization": f"Bearer {n}"}).status_code for n in range(2)
        ]
        assert wrong == [401] * 5
        late = client.post(f"{page.url}/login", data={"token": TOKEN})
        assert late.status_code == 429 and 0 < int(late.headers["retry-after"]) <= 61
        assert client.get(f"{page.url}/metrics", headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 429


def test_who_comes_through_a_server_before_it_cannot_say_that_it_is_another(served: Served) -> None:
    """A server before it passes on what a client wrote of itself, where nothing tells it not to."""
    with Page(served.watcher, served.hub, port=0, token=TOKEN) as page, httpx.Client(trust_env=False) as client:
        said = [
            client.post(
                f"{page.url}/login", data={"token": f"guess {n}"}, headers={"X-Forwarded-For": f"10.0.0.{n}"}
            ).status_code
            for n in range(7)
        ]
        assert said == [401] * 5 + [429] * 2


def test_wrong_tokens_that_come_at_once_are_not_all_looked_at(served: Served) -> None:
    """The body of each comes once all have begun."""
    with Page(served.watcher, served.hub, port=0, token=TOKEN) as page, contextlib.ExitStack() as stack:
        place = ("127.0.0.1", int(page.url.rpartition(":")[2]))
        every = [stack.enter_context(socket.create_connection(place, 10)) for _ in range(7)]
        for one in every:
            one.sendall(b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 7\r\n\r\n")
        with httpx.Client(base_url=page.url, trust_env=False) as client:
            client.get("/healthz")
        said = []
        for one in every:
            one.sendall(b"token=x")
            said.append(one.recv(12)[9:])
    assert said == [b"401"] * 5 + [b"429"] * 2


def test_a_login_of_many_fields_is_no_error_of_ours(stranger: httpx.Client, caplog: pytest.LogCaptureFixture) -> None:
    answer = stranger.post("/login", content="&".join(f"field{n}={n}" for n in range(9)) + f"&token={TOKEN}")
    assert answer.status_code == 303 and not caplog.records


def test_a_cookie_that_came_over_tls_goes_over_nothing_else(stranger: httpx.Client) -> None:
    for headers, secure in (({}, False), ({"X-Forwarded-Proto": "https"}, True)):
        done = stranger.post("/login", data={"token": TOKEN}, headers=headers)
        assert ("Secure" in done.headers["set-cookie"]) is secure


def test_another_address_is_not_held_up_and_they_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    keeper = Keeper(TOKEN)
    for _ in range(guard.TRIES):
        assert not keeper.right("x", "2001:db8::1")
    assert keeper.wait("2001:db8::2") > 0, "of one household"
    assert keeper.wait("2001:db8:1::1") == 0 == keeper.wait("10.0.0.1")
    for number in range(3000):
        keeper.right("x", f"10.0.{number // 256}.{number % 256}")
    assert len(keeper._wrong) == guard.MOST_ADDRESSES
    now = time.monotonic()
    later = Mock(monotonic=lambda: now + guard.WITHIN + 1)  # for the guard alone: the pages' loops have their own time
    monkeypatch.setattr(guard, "time", later)
    assert keeper.wait("10.0.11.100") == 0


def test_a_page_of_elsewhere_is_refused(ask: httpx.Client, closed: Page) -> None:
    host = ask.base_url.netloc.decode()
    for headers in (
        {"Host": "rebound.example"},
        {"Host": "rebound.example:8080", "Origin": "http://rebound.example:8080"},
        {"Host": ""},
        {"Host": "[::1"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://[", "Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"},
        {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "cors"},
    ):
        for path in ("/api/v1/cameras", "/healthz", "/"):
            assert ask.get(path, headers=headers).status_code in (403, 421), headers
    for headers in (
        {"Host": f"localhost:{host.partition(':')[2]}"},
        {"Host": "127.0.0.1"},
        {"Host": "[::1]:80"},
        {"Origin": f"http://{host}", "Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"},
    ):
        assert ask.get("/api/v1/cameras", headers=headers).status_code == 200, headers
    theirs = {"Origin": "http://evil.example", "Authorization": f"Bearer {TOKEN}"}
    assert httpx.get(f"{closed.url}/api/v1/cameras", headers=theirs, trust_env=False).status_code == 403


def test_every_answer_tells_browsers_to_be_strict(ask: httpx.Client, stranger: httpx.Client) -> None:
    answers = [ask.get(path) for path in ("/", "/static/app.js", "/api/v1/cameras", "/none")] + [stranger.get("/login")]
    for answer in answers:
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'") and "unsafe" not in policy and "http" not in policy
        assert "frame-ancestors 'none'" in policy and answer.headers["x-content-type-options"] == "nosniff"
        assert "server" not in answer.headers
    for answer in answers[:1]:
        assert "http" not in answer.text.replace("http-equiv", ""), "nothing of elsewhere"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.2", "example.org", ""])
def test_an_address_that_others_reach_needs_a_token(host: str) -> None:
    with pytest.raises(OutputError, match="needs a token"):
        check_address(host, None)
    check_address(host, TOKEN)


@pytest.mark.parametrize("token", ["", "short", "x" * 15, "with a\nline of its own", "größergrößergrößer"])
def test_a_token_that_is_none(token: str) -> None:
    with pytest.raises(OutputError, match="16 characters") as refused:
        check_address("127.0.0.1", token)
    assert not token or token not in str(refused.value)


def test_who_comes_by_ipv4_to_what_listens_on_both_is_told_apart() -> None:
    keeper = Keeper(TOKEN)
    for _ in range(guard.TRIES):
        keeper.right("wrong", "::ffff:192.168.1.7")
    assert keeper.wait("::ffff:192.168.1.7") and keeper.wait("192.168.1.7")
    assert not keeper.wait("::ffff:192.168.1.8") and not keeper.wait("192.168.1.8")
    assert not keeper.wait("fe80::2%eth0")
