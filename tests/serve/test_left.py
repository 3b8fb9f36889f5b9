"""An answer that goes on ends with its reader, at whatever moment that leaves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, MutableMapping
from typing import Any

import pytest

from yolorknn.serve.streams import EVENTS, Streams, _Bell

TURNS = 6
"""Of the loop from a part that comes to a reader who leaves: within three, wait_for forgets that it was cancelled."""


@pytest.mark.parametrize("turns", range(TURNS))
def test_a_reader_who_leaves_as_a_part_comes_is_left(turns: int) -> None:
    """asyncio.wait_for of Python 3.10 and 3.11 loses a cancellation that comes in the turn of what it waits for."""

    async def run() -> tuple[bool, int, int]:
        bell, gone, streams, closed = _Bell(), asyncio.Event(), Streams(), 0

        async def parts() -> AsyncGenerator[bytes, None]:
            nonlocal closed
            try:
                while True:
                    bell.clear()
                    await bell.wait(0.02)
                    yield b"part"
            finally:
                closed += 1

        async def receive() -> MutableMapping[str, Any]:
            await gone.wait()
            for _ in range(turns):
                await asyncio.sleep(0)
            return {"type": "http.disconnect"}

        async def send(_: MutableMapping[str, Any]) -> None:
            """Take it, as uvicorn takes what is sent to one who is gone."""

        answering = asyncio.ensure_future(streams.answer(parts(), EVENTS)({"method": "GET"}, receive, send))
        await asyncio.sleep(0.05)
        bell.ring()
        gone.set()
        ended, _ = await asyncio.wait([answering], timeout=1)
        return bool(ended), closed, len(streams)

    assert asyncio.run(run()) == (True, 1, 0)
