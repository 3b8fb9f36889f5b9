"""What is sent to us, read with bounds."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

from yolorknn.errors import InputError

PATIENCE = 20.0
"""Seconds that a body may take."""
MOST_JSON = 1 << 16


async def body(request: Request, most: int) -> bytes:
    """Return a request's body.

    Raises:
        HTTPException: it has more bytes than `most`, or takes too long.
    """
    length = request.headers.get("content-length", "0")
    if length.isascii() and length.isdigit() and int(length[:20]) > most:
        raise HTTPException(413, f"more than {most} bytes")
    try:
        return await asyncio.wait_for(_whole(request, most), PATIENCE)
    except (asyncio.TimeoutError, ClientDisconnect):  # of 3.10 it is no TimeoutError
        raise HTTPException(408, f"not all of it came within {PATIENCE:g} s") from None


async def json_body(request: Request) -> Any:
    """Return a request's body as JSON has it.

    Raises:
        HTTPException: it is none, or sent as something else.
        InputError: it is no JSON.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise HTTPException(415, "send application/json")
    try:
        return json.loads(await body(request, MOST_JSON))
    except (ValueError, RecursionError):
        raise InputError("what was sent is no JSON") from None


async def _whole(request: Request, most: int) -> bytes:
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > most:
            raise HTTPException(413, f"more than {most} bytes")
        parts.append(part)
    return b"".join(parts)
