"""HTTP over one connection, which is let go when it asks for nothing."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

PATIENCE = 10.0
"""Seconds in which a connection has asked for something, headers and all; from the second time on, up to twice that."""


class Protocol(H11Protocol):
    """uvicorn's on h11, which bounds headers to 64 KiB; uvicorn itself waits for ever for what has begun to come."""

    def connection_made(self, transport: Any) -> None:
        """Begin to wait."""
        super().connection_made(transport)
        self._answered: Any = None  # the request, answered, after which no other had come at the last look
        self._late: asyncio.TimerHandle = self.loop.call_later(PATIENCE, self._check)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._late.cancel()
        super().connection_lost(exc)

    def _check(self) -> None:
        cycle: Any = self.cycle
        waits = cycle is None or cycle.response_complete
        if waits and cycle is self._answered:
            self.transport.close()
            return
        self._answered = cycle if waits else self
        self._late = self.loop.call_later(PATIENCE, self._check)
