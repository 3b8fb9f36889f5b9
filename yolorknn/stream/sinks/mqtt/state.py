"""How a connection to a broker does."""

from __future__ import annotations

from dataclasses import dataclass

from yolorknn.stream.sinks.sink_state import SinkState


@dataclass(frozen=True)
class MqttState:
    """How the connection does."""

    error: str
    """Why there is none; empty where there is one."""
    reconnects: int
    sent: int
    """Messages."""
    dropped: int
    """Events that were given up while there was none."""
    refused: int
    """Messages that the broker did not take."""
    waiting: int
    """Messages that are not sent yet."""

    @property
    def as_sink(self) -> SinkState:
        """The same as other sinks say it, in messages."""
        return SinkState("MQTT", self.sent - self.refused, self.dropped, self.refused, self.waiting, 0.0, self.error)
