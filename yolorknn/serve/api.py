"""/api/v1: what programs ask, and the page."""

from __future__ import annotations

import asyncio
import functools
import json
import math
from collections.abc import Callable, Sequence
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from yolorknn.errors import InputError
from yolorknn.live.settings import Settings
from yolorknn.live.watcher import Watcher
from yolorknn.serve import streams
from yolorknn.serve.bodies import body, json_body
from yolorknn.serve.shots import Look
from yolorknn.serve.streams import Streams
from yolorknn.serve.uploads import MOST_BYTES, Uploads
from yolorknn.serve.watched import Watched
from yolorknn.text import printable

SNAPSHOT_PATIENCE = 5.0
"""Seconds that a snapshot waits for a picture."""


class Api:
    """Answers for all that is watched; used in one event loop.

    Args:
        watched: what is.
        streams: those that are open.
        document: the OpenAPI document, as it is in its file.
        facts: what stays the same as long as it runs, for the page.
    """

    def __init__(self, watched: Watched, streams: Streams, document: bytes, facts: dict[str, Any]) -> None:
        self._watched, self._hub, self._streams = watched, watched.hub, streams
        self._uploads, self._document, self._facts = Uploads(), document, facts

    def routes(self) -> list[Route]:
        """Return where it answers what."""
        get: list[tuple[str, Callable[..., Any]]] = [
            ("/cameras", self._cameras),
            ("/cameras/{camera:path}/detections", self._detections_of),
            ("/cameras/{camera:path}/snapshot", self._snapshot),
            ("/cameras/{camera:path}/mjpeg", self._mjpeg),
            ("/cameras/{camera:path}/settings", self._settings),
            ("/cameras/{camera:path}", self._camera),
            ("/detections", self._detections),
            ("/detections/events", self._sse),
            ("/events", self._events),
            ("/status", self._status),
            ("/stream", self._stream),
            ("/openapi.json", self._openapi),
        ]
        routes = [Route(f"/api/v1{path}", answer) for path, answer in get]
        routes.insert(0, Route("/api/v1/cameras/{camera:path}/settings", self._change, methods=["PATCH"]))
        return [*routes, Route("/api/v1/detect", self._detect, methods=["POST"])]

    def status(self) -> dict[str, Any]:
        """Return how all does, as the page has it each second."""
        watched = self._watched
        return {
            "cameras": watched.cameras(),
            "system": {**watched.system(), "streams": len(self._streams)},
            "settings": {camera: settings.of(camera).to_json() for camera, settings in self._every_settings()},
            "events": list(self._hub.events)[-50:],
        }

    async def _cameras(self, _: Request) -> Response:
        return JSONResponse({"cameras": [{**about, **how} for about, how in self._about()]})

    async def _camera(self, request: Request) -> Response:
        name = self._named(request)
        return JSONResponse(next({**about, **how} for about, how in self._about() if how["name"] == name))

    async def _detections_of(self, request: Request) -> Response:
        said = self._hub.record(self._named(request))
        if said is None:
            raise HTTPException(503, "it has given no picture yet", {"Retry-After": "1"})
        return Response(said, media_type="application/json")

    async def _detections(self, request: Request) -> Response:
        said = [found for camera in self._wanted(request) if (found := self._hub.record(camera)) is not None]
        return Response(b'{"detections": [%s]}' % b", ".join(said), media_type="application/json")

    async def _snapshot(self, request: Request) -> Response:
        look = Look(self._named(request), _flag(request, "annotated"))
        shot = await streams.snapshot(self._hub, look, SNAPSHOT_PATIENCE)
        if shot is None:
            raise HTTPException(503, "it has given no picture yet", {"Retry-After": "1"})
        return Response(shot.picture, media_type="image/jpeg", headers={"X-Timestamp": f"{shot.timestamp:.3f}"})

    async def _mjpeg(self, request: Request) -> Any:
        look = Look(self._named(request), _flag(request, "annotated"))
        return self._streams.answer(streams.mjpeg(self._hub, look), streams.REPLACE)

    async def _sse(self, request: Request) -> Any:
        return self._streams.answer(streams.events(self._hub, self._chosen(request)), streams.EVENTS)

    async def _stream(self, request: Request) -> Any:
        looks = [Look(camera) for camera in self._wanted(request)]
        begun = self._watched.about()

        def hello() -> bytes:
            about = self._watched.about()
            same = [camera["name"] for camera in about] == [camera["name"] for camera in begun]
            # Of other cameras it comes with another connection, as pictures of those that are new do.
            return _bytes({"hello": {**self._facts, "about": about if same else begun}})

        parts = streams.mixed(self._hub, looks, hello, lambda: _bytes({"status": self.status()}))
        return self._streams.answer(parts, streams.MIXED)

    async def _settings(self, request: Request) -> Response:
        camera, settings = self._settings_of(request)
        return JSONResponse(settings.of(camera).to_json())

    async def _change(self, request: Request) -> Response:
        camera, settings = self._settings_of(request)
        values = await json_body(request)
        changed = await asyncio.get_running_loop().run_in_executor(None, settings.change, camera, values)
        return JSONResponse(changed.to_json())

    async def _events(self, _: Request) -> Response:
        return JSONResponse({"events": list(self._hub.events)})

    async def _status(self, _: Request) -> Response:
        return JSONResponse({**self._facts, **self.status()})

    async def _openapi(self, _: Request) -> Response:
        return Response(self._document, media_type="application/json")

    async def _detect(self, request: Request) -> Response:
        camera = request.query_params.get("camera")
        if camera is None and not self._watched.watchers:
            raise HTTPException(503, "no model runs just now", {"Retry-After": "2"})
        watcher = self._watched.watchers[0] if camera is None else self._watcher(camera)
        conf = _fraction(request, "conf")
        read = functools.partial(body, request, MOST_BYTES)
        return JSONResponse(await self._uploads.detect(watcher, read, conf))

    def _about(self) -> list[tuple[dict[str, Any], dict[str, Any]]]:
        how = {camera["name"]: camera for camera in self._watched.cameras()}
        return [(about, how[about["name"]]) for about in self._watched.about() if about["name"] in how]

    def _every_settings(self) -> list[tuple[str, Settings]]:
        return [
            (camera.name, watcher.settings)
            for watcher in self._watched.watchers
            if watcher.settings is not None
            for camera in watcher.cameras
        ]

    def _named(self, request: Request) -> str:
        name = str(request.path_params["camera"])
        self._watcher(name)
        return name

    def _watcher(self, camera: str) -> Watcher:
        watcher = self._watched.watcher_of(camera)
        if watcher is None or camera not in self._hub.cameras:
            raise HTTPException(404, f"there is no camera '{printable(camera[:60])}'")
        return watcher

    def _settings_of(self, request: Request) -> tuple[str, Settings]:
        name = self._named(request)
        settings = self._watcher(name).settings
        if settings is None:
            raise HTTPException(404, "settings of it are not kept")
        return name, settings

    def _wanted(self, request: Request) -> Sequence[str]:
        """Return the cameras that a query names, by default all that there are now."""
        return self._chosen(request) or tuple(self._hub.cameras)

    def _chosen(self, request: Request) -> Sequence[str] | None:
        """Return the cameras that a query names; None for none."""
        named = list(dict.fromkeys(request.query_params.getlist("camera")))
        for camera in named:
            self._watcher(camera)
        return named or None


def _bytes(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _flag(request: Request, name: str) -> bool:
    given = request.query_params.get(name, "false").lower()
    if given not in ("true", "false", "1", "0"):
        raise InputError(f"{name} is true or false")
    return given in ("true", "1")


def _fraction(request: Request, name: str) -> float | None:
    given = request.query_params.get(name)
    if given is None:
        return None
    try:
        value = float(given)
    except ValueError:
        value = math.nan
    if not 0 <= value <= 1:
        raise InputError(f"{name} is a number from 0 to 1")
    return value
