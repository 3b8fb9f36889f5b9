"""What goes on for as long as somebody listens: pictures and records of cameras, in several wrappings."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncGenerator, Callable, Collection, Sequence

import anyio
from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send

from yolorknn.serve.hub import Hub
from yolorknn.serve.shots import Look, Shot
from yolorknn.serve.viewers import Listener, Viewer

MOST_STREAMS = 64
PATIENCE = 10.0
"""Seconds that one who looks may take for what is sent; then it is let go."""
QUIET = 10.0
"""Seconds after which something is sent, so that one who is gone is noticed."""
BOUNDARY = "yolorknn-a-long-boundary-that-is-in-no-picture-7f3a91c2"
MIXED = f"multipart/mixed; boundary={BOUNDARY}"
REPLACE = f"multipart/x-mixed-replace; boundary={BOUNDARY}"
EVENTS = "text/event-stream"


class Streams:
    """All that are open, of which there are not too many; used in one event loop, but for stop()."""

    def __init__(self) -> None:
        self._open: set[Streamed] = set()
        self._stopped = False

    def __len__(self) -> int:
        return len(self._open)

    def stop(self) -> None:
        """End all, and let no other begin; from any thread."""
        self._stopped = True
        for streamed in tuple(self._open):
            streamed.stop()

    def answer(self, parts: AsyncGenerator[bytes, None], kind: str) -> Streamed:
        """Return an answer that goes on.

        Raises:
            HTTPException: there are too many.
        """
        if self._stopped or len(self._open) >= MOST_STREAMS:
            raise HTTPException(503, f"{MOST_STREAMS} look already", {"Retry-After": "5"})
        return Streamed(self._open, parts, kind)


class Streamed:
    """An answer that goes on until its parts end, its reader is gone, or it takes them too slowly.

    Its scopes are anyio's: asyncio.wait_for, before Python 3.12, forgets that it was cancelled where what it waits for
    comes in the same turn of the loop, and the answer would go on for nobody.
    """

    def __init__(self, among: set[Streamed], parts: AsyncGenerator[bytes, None], kind: str) -> None:
        self._among, self._parts, self._kind = among, parts, kind
        self._loop, self._scope = asyncio.get_running_loop(), anyio.CancelScope()

    def stop(self) -> None:
        """End it, from any thread."""
        with contextlib.suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(self._scope.cancel)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        headers = [(b"content-type", self._kind.encode()), (b"x-accel-buffering", b"no")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        self._among.add(self)
        try:
            with self._scope:
                async with anyio.create_task_group() as group:
                    group.start_soon(self._end_with_reader, receive)
                    await self._send(send, body=scope["method"] != "HEAD")
                    self._scope.cancel()
        finally:
            self._among.discard(self)

    async def _end_with_reader(self, receive: Receive) -> None:
        await _left(receive)
        self._scope.cancel()

    async def _send(self, send: Send, *, body: bool) -> None:
        async with contextlib.aclosing(self._parts) as parts:
            while body and (part := await anext(parts, None)) is not None:
                late = self._loop.call_later(PATIENCE, self._scope.cancel)
                try:
                    await send({"type": "http.response.body", "body": part, "more_body": True})
                finally:
                    late.cancel()
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


class _Bell:
    """Wakes one in the event loop from any thread."""

    def __init__(self) -> None:
        self._loop, self._event = asyncio.get_running_loop(), asyncio.Event()

    def ring(self) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(self._event.set)

    def clear(self) -> None:
        self._event.clear()

    async def wait(self, seconds: float) -> None:
        late = self._loop.call_later(seconds, self._event.set)
        try:
            await self._event.wait()
        finally:
            late.cancel()


async def _shots(hub: Hub, looks: Collection[Look], every: float) -> AsyncGenerator[list[Shot], None]:
    """Yield what is new, and nothing after so many seconds without."""
    bell = _Bell()
    viewer = Viewer(looks, bell.ring)
    hub.enter(viewer)
    try:
        due = time.monotonic() + every
        while not hub.closed:
            bell.clear()
            shots = hub.take(viewer)
            if shots or time.monotonic() >= due:
                due = time.monotonic() + every if not shots else due
                yield shots
            else:
                await bell.wait(due - time.monotonic())
    finally:
        hub.leave(viewer)


async def snapshot(hub: Hub, look: Look, seconds: float) -> Shot | None:
    """Return the newest picture; None where there is none in time."""
    async with contextlib.aclosing(_shots(hub, [look], seconds)) as found:
        async for shots in found:
            return shots[0] if shots else None
    return None


async def mjpeg(hub: Hub, look: Look) -> AsyncGenerator[bytes, None]:
    """Yield the parts of multipart/x-mixed-replace; a browser shows one when the boundary behind it has come.

    It ends where the camera is not watched any more.
    """
    yield f"--{BOUNDARY}\r\n".encode()
    async with contextlib.aclosing(_shots(hub, [look], QUIET)) as found:
        async for shots in found:
            if look.camera not in hub.cameras:
                return
            for shot in shots:
                yield b"%s\r\n--%s\r\n" % (_part("image/jpeg", shot.picture), BOUNDARY.encode())


async def mixed(
    hub: Hub, looks: Sequence[Look], hello: Callable[[], bytes], status: Callable[[], bytes], every: float = 1.0
) -> AsyncGenerator[bytes, None]:
    """Yield the parts of multipart/mixed: what there is, then how all does each second, and records with pictures.

    Args:
        hub: has the pictures.
        looks: of which cameras.
        hello: gives the first part, JSON; sent again when it is another one, as of a model with other classes.
        status: gives the JSON that is sent each `every` seconds.
        every: see there.
    """
    mark = f"--{BOUNDARY}\r\n".encode()
    said_first = hello()
    yield mark + _part("application/json", said_first)
    yield b"\r\n" + mark + _part("application/json", status())
    due = time.monotonic() + every
    async with contextlib.aclosing(_shots(hub, looks, every)) as found:
        async for shots in found:
            for shot in shots:
                said = _part("application/json", b'{"result": %s}' % shot.record)
                yield b"\r\n" + mark + said + b"\r\n" + mark + _part("image/jpeg", shot.picture)
            if time.monotonic() >= due:
                due = time.monotonic() + every
                if (now := hello()) != said_first:
                    said_first = now
                    yield b"\r\n" + mark + _part("application/json", now)
                yield b"\r\n" + mark + _part("application/json", status())


async def events(hub: Hub, cameras: Collection[str] | None) -> AsyncGenerator[bytes, None]:
    """Yield server-sent events: a record of each result, and how many of them went because they were not taken.

    Args:
        hub: has the results.
        cameras: whose results are told; None for all, those that are watched later too.
    """
    bell = _Bell()
    listener = Listener(cameras, bell.ring)
    hub.listen(listener)
    missed = 0
    try:
        yield b": what is found\n\n"
        while not hub.closed:
            bell.clear()
            if listener.missed > missed:
                missed = listener.missed
                yield b"event: missed\ndata: %s\n\n" % json.dumps({"missed": missed}).encode()
            taken = listener.take()
            if taken:
                yield b"".join(b"data: %s\n\n" % said for said in taken)
                continue
            begun = time.monotonic()
            await bell.wait(QUIET)
            if time.monotonic() - begun >= QUIET:
                yield b": still here\n\n"
    finally:
        hub.leave(listener)


def _part(kind: str, data: bytes) -> bytes:
    return b"Content-Type: %s\r\nContent-Length: %d\r\n\r\n%s" % (kind.encode(), len(data), data)
