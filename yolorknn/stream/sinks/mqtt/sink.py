"""One camera over MQTT, with a connection of its own: for a program that has no more."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from yolorknn.stream.result import Result
from yolorknn.stream.sinks.mqtt.address import Address
from yolorknn.stream.sinks.mqtt.board import MqttBoard
from yolorknn.stream.sinks.mqtt.camera import Places, known_places
from yolorknn.stream.sinks.mqtt.topics import Health
from yolorknn.stream.sinks.sink_state import SinkState

PERIODS = 3
"""Between two results, in which none is no problem."""

_logger = logging.getLogger(__name__)


class MqttSink:
    """A board with one camera; see MqttBoard, which takes several.

    write() waits for nothing: a broker that is away, slow or dead costs events, which are counted.

    Raises:
        MissingDependencyError: paho-mqtt 2 is not installed.
        OutputError: a word that cannot stand in a topic.
    """

    def __init__(
        self,
        address: Address,
        camera: str,
        *,
        names: Mapping[int, str],
        zones: Sequence[str] = (),
        places: Places = known_places,
        health: Callable[[], Health] | None = None,
        picture_every: float = 10.0,
        period: float = 0.0,
        board: str | None = None,
        name: str | None = None,
        discovery: str = "homeassistant",
        memory: Path | None = None,
        told: Callable[[str], None] = _logger.warning,
    ) -> None:
        """Connect, in a thread of its own; see MqttBoard and MqttBoard.camera().

        With `period` seconds between two results, as where few frames are wanted, that much more silence is no problem.
        """
        self._told = told
        self._board = MqttBoard(address, board=board, name=name, discovery=discovery, memory=memory, told=told)
        self._camera = self._board.camera(
            camera, names=names, zones=zones, places=places, health=health, picture_every=picture_every
        )
        self._camera.silent = max(self._camera.silent, PERIODS * period)
        self._board.start()

    def write(self, result: Result[Any]) -> None:
        self._camera.write(result)

    @property
    def states(self) -> list[SinkState]:
        """How it does."""
        return [self._board.state.as_sink]

    def close(self) -> None:
        self._camera.close()
        self._board.close()
        if dropped := self._board.state.dropped:
            self._told(f"MQTT: {dropped} events were dropped while there was no connection")
