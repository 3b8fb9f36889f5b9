"""HTTP over one connection, which is let go when it asks for nothing, or does not read what it asked for."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

PATIENCE = 10.0
"""Seconds in which a connection has asked for something, headers and all; from the second time on, up to twice that."""

_LET_GO = "ASGI callable returned without completing response."


def is_fault(record: logging.LogRecord) -> bool:
    """Tell whether what uvicorn logs is wrong; that one who looks was let go is not."""
    return record.getMessage() != _LET_GO


class Protocol(H11Protocol):
    """uvicorn's on h11, which bounds headers to 64 KiB; uvicorn itself waits for ever for what has begun to come."""

    def connection_made(self, transport: Any) -> None:
        """Begin to wait."""
        super().connection_made(transport)
        self._answered: Any = None  # the request, answered, after which no other had come at the last look
        self._unread = 0  # bytes that waited to be sent at the last look
        self._late: asyncio.TimerHandle = self.loop.call_later(PATIENCE, self._check)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._late.cancel()
        super().connection_lost(exc)

    def _check(self) -> None:
        unread = self.transport.get_write_buffer_size()
        if self.transport.is_closing() or 0 < unread == self._unread:
            self.transport.abort()  # close() waits until all is sent, for one who does not read for ever
            return
        self._unread = unread
        cycle: Any = self.cycle
        waits = cycle is None or cycle.response_complete
        if waits and cycle is self._answered:
            self.transport.close()
        self._answered = cycle if waits else self
        self._late = self.loop.call_later(PATIENCE, self._check)
