"""Everything that is served, put together."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import mimetypes
import re
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from yolorknn.errors import BackendError, InputError, OutputError
from yolorknn.serve.api import Api
from yolorknn.serve.bodies import body
from yolorknn.serve.guard import SESSION, Guard, Keeper, said, too_often
from yolorknn.serve.metrics import registry_of
from yolorknn.serve.streams import Streams
from yolorknn.serve.watched import Watched
from yolorknn.text import shown

FILES = Path(__file__).parent / "static"
_MOST_LOGIN = 4096
_STATUS = {InputError: 422, BackendError: 503, OutputError: 507}


def build_app(watched: Watched, streams: Streams, token: str | None, facts: dict[str, Any]) -> ASGIApp:
    """Return the page, the API and the rest, for what is watched.

    Args:
        watched: its watchers are started.
        streams: none is open yet.
        token: see Page.
        facts: see Api.
    """
    keeper = Keeper(token)
    files = {path.name: path.read_bytes() for path in sorted(FILES.iterdir()) if path.is_file()}
    login = files.pop("login.html").decode()
    api = Api(watched, streams, files.pop("openapi.json"), {**facts, "login": keeper.needed})
    index, registry = files.pop("index.html"), registry_of(watched)

    async def home(_: Request) -> Response:
        return Response(index, media_type="text/html")

    async def file(request: Request) -> Response:
        return _file(files, request)

    async def metrics(_: Request) -> Response:
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_PLAIN_0_0_4)

    async def healthz(_: Request) -> Response:
        hung = watched.hung()
        return JSONResponse({"status": "hung" if hung else "ok"}, 503 if hung else 200)

    async def readyz(_: Request) -> Response:
        why = watched.stuck()
        return JSONResponse({"ready": not why, "why": why}, 503 if why else 200)

    async def enter(request: Request) -> Response:
        return await _login(request, keeper, login)

    async def leave(_: Request) -> Response:
        answer = RedirectResponse("/login" if keeper.needed else "/", 303)
        answer.delete_cookie(keeper.cookie, httponly=True, samesite="strict")
        return answer

    @contextlib.asynccontextmanager
    async def life(_: Starlette) -> AsyncGenerator[None, None]:
        ticking = asyncio.ensure_future(_tick(watched))
        yield
        ticking.cancel()

    app = Starlette(
        routes=[
            Route("/", home),
            Route("/static/{name}", file),
            Route("/login", enter, methods=["GET", "POST"]),
            Route("/logout", leave, methods=["POST"]),
            Route("/metrics", metrics),
            Route("/healthz", healthz),
            Route("/readyz", readyz),
            *api.routes(),
        ],
        exception_handlers={
            HTTPException: _told,
            Exception: _failed,
            **dict.fromkeys(_STATUS, _refused),
        },
        lifespan=life,
    )
    return Guard(app, keeper, _own_styles(login))


async def _tick(watched: Watched) -> None:
    while True:
        await asyncio.sleep(1)
        watched.tick()


async def _login(request: Request, keeper: Keeper, page: str) -> Response:
    if not keeper.needed:
        return RedirectResponse("/", 303)
    if request.method != "POST":
        return Response(page.replace("<!--said-->", ""), media_type="text/html")
    given = (await body(request, _MOST_LOGIN)).decode("utf-8", "replace")
    client = request.client.host if request.client else ""
    if wait := keeper.wait(client):  # once all of it is here: many could begin before the first is found to be wrong
        return too_often(wait)
    fields = parse_qs(given)
    if not keeper.right(fields.get("token", [""])[0].strip(), client):
        wrong = '<p role="alert">That is not the token.</p>'
        return Response(page.replace("<!--said-->", wrong), 401, media_type="text/html")
    answer = RedirectResponse("/", 303)
    answer.set_cookie(
        keeper.cookie,
        keeper.session(),
        max_age=int(SESSION),
        httponly=True,
        samesite="strict",
        secure="https" in (request.url.scheme, request.headers.get("x-forwarded-proto")),
    )
    return answer


def _file(files: dict[str, bytes], request: Request) -> Response:
    name = request.path_params["name"]
    if name not in files:
        raise HTTPException(404, "there is no such file")
    mark = f'"{hashlib.sha256(files[name]).hexdigest()[:20]}"'
    headers = {"ETag": mark, "Cache-Control": "no-cache"}
    if request.headers.get("if-none-match") == mark:
        return Response(status_code=304, headers=headers)
    return Response(files[name], media_type=mimetypes.guess_type(name)[0], headers=headers)


def _own_styles(page: str) -> str:
    """Return the Content-Security-Policy of a page that loads nothing: its own styles, by their digests."""
    digests = [
        base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
        for style in re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    ]
    styles = " ".join(f"'sha256-{digest}'" for digest in digests)
    return f"default-src 'none'; style-src {styles}; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"


async def _told(_: Request, exc: Exception) -> Response:
    assert isinstance(exc, HTTPException)
    return said(exc.detail, exc.status_code, exc.headers)


async def _refused(_: Request, exc: Exception) -> Response:
    return said(shown(exc), next(status for kind, status in _STATUS.items() if isinstance(exc, kind)))


async def _failed(_: Request, __: Exception) -> Response:
    return said("this failed here: its log says why", 500)
