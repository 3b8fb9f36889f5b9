"""Who may ask: a token, or this machine alone; and what every answer says to browsers."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import time
from collections import OrderedDict
from collections.abc import Mapping
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from yolorknn.serve.address import is_loopback

COOKIE = "yolorknn_session"
"""What a cookie's name begins with."""
SESSION = 30 * 86400.0
"""Seconds that a login is good for."""
TRIES, WITHIN = 5, 60.0
"""So many wrong tokens from one address in so many seconds, and no more of it are looked at."""
MOST_ADDRESSES = 1024
OPEN = frozenset({"/healthz", "/login"})
"""What needs no token."""

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "connect-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Keeper:
    """Knows the token, and who gave a wrong one too often; used by one thread.

    Args:
        token: None where this machine alone may ask, without one.
    """

    def __init__(self, token: str | None) -> None:
        self._token = None if token is None else hashlib.sha256(token.encode()).digest()
        self._wrong: OrderedDict[str, list[float]] = OrderedDict()
        self.cookie = COOKIE if token is None else f"{COOKIE}_{self._signed('cookie')[:8]}"
        """Its name, another one for each token: browsers have the cookies of all ports of a host together."""

    @property
    def needed(self) -> bool:
        """Whether there is a token to give."""
        return self._token is not None

    def wait(self, client: str) -> float:
        """Return the seconds for which no token of an address is looked at; 0 for none."""
        now = time.monotonic()
        wrong = [moment for moment in self._wrong.get(_network(client), []) if now - moment < WITHIN]
        return max(0.0, WITHIN - (now - wrong[-TRIES])) if len(wrong) >= TRIES else 0.0

    def right(self, token: str, client: str) -> bool:
        """Tell whether a token is the one, in a time that says nothing of it; a wrong one is noted."""
        assert self._token is not None
        if hmac.compare_digest(hashlib.sha256(token.encode("utf-8", "replace")).digest(), self._token):
            return True
        network = _network(client)
        self._wrong[network] = [*self._wrong.pop(network, [])[1 - TRIES :], time.monotonic()]
        while len(self._wrong) > MOST_ADDRESSES:
            self._wrong.popitem(last=False)
        return False

    def session(self) -> str:
        """Return a cookie's value, good for SESSION seconds, and for as long as the token is this one."""
        ends = str(int(time.time() + SESSION))
        return f"{ends}.{self._signed(ends)}"

    def knows(self, session: str) -> bool:
        """Tell whether a cookie's value is one of session()'s, and still good."""
        ends, _, signed = session.partition(".")
        good = hmac.compare_digest(self._signed(ends).encode(), signed.encode("utf-8", "replace"))
        return good and ends.isascii() and ends.isdigit() and len(ends) < 12 and int(ends) > time.time()

    def _signed(self, ends: str) -> str:
        assert self._token is not None
        return hmac.new(self._token, f"yolorknn session {ends}".encode("utf-8", "replace"), hashlib.sha256).hexdigest()


class Guard:
    """Stands before an app: lets in who may ask, and gives every answer its headers.

    Without a token the Host must be this machine's name for itself, as a page of elsewhere whose name was made to
    point here has another; and what other pages' scripts and pictures ask for is refused, with a token too.
    """

    def __init__(self, app: ASGIApp, keeper: Keeper, styles: str) -> None:
        """Stand before `app`; `styles` is the Content-Security-Policy of the login page's own."""
        self._app, self._keeper, self._styles = app, keeper, styles

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_on(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                if scope["path"] == "/login":
                    headers["Content-Security-Policy"] = self._styles
            await send(message)

        refusal = self._refusal(Request(scope))
        await (refusal or self._app)(scope, receive, send_on)

    def _refusal(self, request: Request) -> Response | None:
        headers, keeper = request.headers, self._keeper
        host = headers.get("host", "")
        if not keeper.needed and not is_loopback(_name(host)):
            return said("without a token this is for localhost alone", 421)
        if _foreign(headers, host):
            return said("a page of elsewhere may not ask here", 403)
        if not keeper.needed or request.url.path in OPEN:
            return None
        if keeper.knows(request.cookies.get(keeper.cookie, "")):
            return None
        scheme, _, token = headers.get("authorization", "").partition(" ")
        client = request.client.host if request.client else ""
        if scheme.lower() == "bearer" and token:
            if wait := keeper.wait(client):
                return too_often(wait)
            if keeper.right(token.strip(), client):
                return None
        if request.url.path == "/" and request.method in ("GET", "HEAD"):
            return RedirectResponse("/login", 303)
        return said("a token is needed: Authorization: Bearer TOKEN", 401, {"WWW-Authenticate": "Bearer"})


def said(text: str, status: int, headers: Mapping[str, str] | None = None) -> Response:
    """Return an answer that is one sentence."""
    return JSONResponse({"error": text}, status, headers)


def too_often(wait: float) -> Response:
    """Return the answer to one who gave too many wrong tokens."""
    seconds = int(wait) + 1
    return said(f"too many wrong tokens: again in {seconds} s", 429, {"Retry-After": str(seconds)})


def _foreign(headers: Headers, host: str) -> bool:
    """Tell whether a browser asks for another page's sake; opening this one from a link is nothing of that."""
    origin = headers.get("origin")
    if origin is not None and origin.lower() not in (f"http://{host}".lower(), f"https://{host}".lower()):
        return True
    return (
        headers.get("sec-fetch-site", "none") not in ("same-origin", "none")
        and headers.get("sec-fetch-mode") != "navigate"
    )


def _name(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _network(client: str) -> str:
    """Return what counts as one who asks: an address, of IPv6 the network that one household has."""
    try:
        address = ipaddress.ip_address(client)
    except ValueError:
        return client
    if isinstance(address, ipaddress.IPv4Address):
        return client
    if (mapped := address.ipv4_mapped) is not None:  # as what listens on :: sees one of IPv4
        return str(mapped)
    return str(ipaddress.ip_network((int(address), 64), strict=False))
