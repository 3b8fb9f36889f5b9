"""How a connection to a broker does."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class MqttState:
    """How the connection does."""

    error: str
    """Why there is none; empty where there is one."""
    reconnects: int
    dropped: int
    """Events that were given up while there was none."""
