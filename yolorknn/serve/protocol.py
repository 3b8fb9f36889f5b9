"""HTTP over one connection, which is let go when it asks for nothing."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

PATIENCE = 10.0
"""Seconds in which a new connection has asked for something, headers and all."""


class Protocol(H11Protocol):
    """uvicorn's on h11, which bounds headers to 64 KiB; uvicorn itself waits for a first request for ever."""

    def connection_made(self, transport: Any) -> None:
        """Begin to wait."""
        super().connection_made(transport)
        self._late: asyncio.TimerHandle = self.loop.call_later(PATIENCE, self._check)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._late.cancel()
        super().connection_lost(exc)

    def _check(self) -> None:
        if self.cycle is None:
            self.transport.close()
