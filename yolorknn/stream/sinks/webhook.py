"""Results to a web server, as signed JSON."""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import re
import time
import urllib.error
import urllib.request
import uuid
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

from yolorknn.errors import OutputError
from yolorknn.stream.backoff import Backoff
from yolorknn.stream.result import Result, Words, record
from yolorknn.text import dumps, reason_of

SIGNATURE, TIME, DELIVERY = "X-Yolorknn-Signature", "X-Yolorknn-Timestamp", "X-Yolorknn-Delivery"
_AGAIN = (408, 425, 429)
"""What a server answers, beside 5xx, that may take the same later."""


def signature(secret: str, seconds: str, body: bytes) -> str:
    """Return what the signature header has: sha256= and HMAC-SHA256 over the timestamp header, a dot and the body."""
    return "sha256=" + hmac.new(secret.encode(), seconds.encode() + b"." + body, hashlib.sha256).hexdigest()


class Webhook:
    """Posts each result as its JSON line says it; tries again where the server or the way to it is the reason.

    All tries of one result have the same delivery header, by which the server knows one that it had already. To post
    few, put the sink behind Queued with a Seldom. Messages name the server only, as the rest of a URL may be secret.

    Raises:
        OutputError: the server does not take it.
    """

    def __init__(self, url: str, words: Words, *, secret: str = "", timeout: float = 5.0, tries: int = 4) -> None:
        """Post to `url`; nothing is sent yet.

        Args:
            url: http or https; user and password in it are sent as Basic authentication.
            words: how the JSON says what was found.
            secret: with which each post is signed; empty for no signature.
            timeout: seconds for connecting and for each answer.
            tries: at most, of one result.

        Raises:
            OutputError: not such a URL.
        """
        self._words, self._secret, self._timeout, self._tries = words, secret, timeout, tries
        self._url, self._place, self._login = read_url(url)
        self._opener = urllib.request.build_opener(_NoRedirects)

    def write(self, result: Result[Any]) -> None:
        body = dumps(record(result, self._words)).encode()
        delivery = str(uuid.uuid4())
        backoff = Backoff()
        for left in range(self._tries - 1, -1, -1):
            why, again = self._post(body, delivery)
            if not why:
                return
            if not again or not left:
                raise OutputError(f"cannot post to {self._place}: {why}")
            time.sleep(backoff.wait())

    def close(self) -> None:
        pass

    def _post(self, body: bytes, delivery: str) -> tuple[str, bool]:
        """Return what was wrong, and whether a further try makes sense."""
        seconds = str(int(time.time()))
        headers = {"Content-Type": "application/json", "User-Agent": "yolorknn", TIME: seconds, DELIVERY: delivery}
        if self._login:
            headers["Authorization"] = self._login
        if self._secret:
            headers[SIGNATURE] = signature(self._secret, seconds, body)
        request = urllib.request.Request(self._url, body, headers, method="POST")
        try:
            with self._opener.open(request, timeout=self._timeout):
                return "", False
        except urllib.error.HTTPError as exc:
            exc.close()
            if 300 <= exc.code < 400:
                return f"it answers {exc.code}, and a redirect is not followed: give the URL that it leads to", False
            return f"it answers {exc.code}", exc.code >= 500 or exc.code in _AGAIN
        except urllib.error.URLError as exc:
            return _reason(exc.reason), True
        except (OSError, http.client.HTTPException) as exc:
            return _reason(exc), True


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Follows none: a POST would become a GET, which a server may take without having the result."""

    def redirect_request(self, *_: Any) -> None:
        """Give no request to follow with."""


def read_url(url: str) -> tuple[str, str, str]:
    """Return the URL without user and password, the server as it may be shown, and the header for the two.

    Raises:
        OutputError: it is no such URL.
    """
    try:
        parts = urlsplit(url.strip())
        host, port = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or parts.scheme not in ("http", "https") or not re.fullmatch(r"[!-~]+", url.strip()):
        raise OutputError("a webhook needs a URL as https://server/path, in ASCII without blanks")
    place = f"[{host}]" if ":" in host else host
    place += f":{port}" if port else ""
    login = ""
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        login = "Basic " + base64.b64encode(pair.encode()).decode()
    return urlunsplit((parts.scheme, place, parts.path or "/", parts.query, "")), f"{parts.scheme}://{place}", login


def _reason(exc: object) -> str:
    if isinstance(exc, TimeoutError):
        return "no answer in time"
    return reason_of(exc)
