"""The broker of a site: a board there, and a sink of each camera, which stay through changes that are not theirs."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Mapping
from dataclasses import replace

from yolorknn.errors import OutputError
from yolorknn.files import read_secret
from yolorknn.live.camera import CameraStatus
from yolorknn.site.events import Event, Tell
from yolorknn.site.tables import MqttTable, Site
from yolorknn.stream.sinks.mqtt.address import PORTS, Address
from yolorknn.stream.sinks.mqtt.board import MqttBoard
from yolorknn.stream.sinks.mqtt.camera import CameraSink
from yolorknn.stream.sinks.mqtt.topics import Health
from yolorknn.stream.sinks.sink_state import SinkState
from yolorknn.tasks.task import Wording


class SiteBroker:
    """What a site publishes over MQTT.

    Args:
        tell: told what becomes of the connection.
        health: how a camera does.
    """

    def __init__(self, tell: Tell, health: Callable[[str], Health]) -> None:
        self._tell, self._health = tell, health
        self._board: tuple[MqttTable, MqttBoard] | None = None
        self._connected = False
        self.cameras: dict[str, CameraSink] = {}
        """The sink of each camera that is published."""
        self.ending = False
        """Whether cameras are ended now: that none gives anything is no problem to tell of."""

    @property
    def states(self) -> list[SinkState]:
        """How it does, where there is one."""
        board = self._board
        return [board[1].state.as_sink] if board is not None else []

    def fit(self, site: Site, words: Mapping[str, Wording]) -> None:
        """Publish what a site asks for; what is as it was is not touched, and what is no more goes from the broker.

        Args:
            site: what is asked for.
            words: of each camera whose model did run, how its results are said.

        Raises:
            OutputError: there cannot be a board, which leaves all as it was, or a camera; the others are there.
            MissingDependencyError: paho-mqtt is not installed.
        """
        self._fit_board(site.mqtt)
        if self._board is None:
            return
        table, board = self._board
        for name in self.cameras.keys() - site.cameras.keys():
            board.remove(self.cameras[name])
            self.cameras.pop(name).close()
        troubles: list[OutputError] = []
        for name in site.cameras:
            try:
                if name in words:
                    self._fit_camera(board, name, words[name], site, table.picture_every)
            except OutputError as exc:
                troubles.append(exc)
        if not self._connected:  # whose cameras are known now
            board.start()
            self._connected = True
        if troubles:
            raise troubles[0]

    def close(self, *, gone: bool = False) -> None:
        """Say that all is away, and disconnect; with `gone` the broker is to keep nothing of it."""
        if self._board is None:
            return
        _, board = self._board
        for sink in self.cameras.values():
            sink.close()
        board.close(gone=gone)
        if dropped := board.state.dropped:
            self._tell(Event("sink", f"MQTT: {dropped} events were dropped while there was no connection"))
        self._board, self._connected, self.cameras = None, False, {}

    def _fit_board(self, table: MqttTable | None) -> None:
        before = self._board
        if before is not None and table is not None and _connection(table) == _connection(before[0]):
            self._board = (table, before[1])
            return
        new = _board_of(table, self._told) if table is not None else None
        if before is not None:
            self.close(gone=new is None or new.place != before[1].place)
        if table is not None and new is not None:
            self._board = (table, new)

    def _fit_camera(self, board: MqttBoard, name: str, words: Wording, site: Site, picture_every: float) -> None:
        zones = [zone.name for zone in site.places_of(name)[0]]
        if name in self.cameras:
            self.cameras[name].fit(names=words.names, zones=zones, picture_every=picture_every)
            return
        health = functools.partial(self._health_of, name)
        self.cameras[name] = board.camera(
            name, names=words.names, zones=zones, health=health, picture_every=picture_every
        )

    def _health_of(self, camera: str) -> Health:
        return Health(0.0, online=False) if self.ending else self._health(camera)

    def _told(self, text: str) -> None:
        self._tell(Event("sink", text, "warning"))


def health_of(status: CameraStatus | None) -> Health:
    """Return how a camera does; None of one whose model does not run just now."""
    if status is None:
        return Health(0.0, online=False, problem="its model is begun anew")
    over = status.source.state == "ended"  # a file, which is at its end
    problem = "" if status.up else status.source.why or ("" if over else "it is being opened")
    return Health(status.detect_fps, online=status.up, problem=problem)


def _connection(table: MqttTable) -> MqttTable:
    """Return what of a table needs a connection of its own."""
    return replace(table, picture_every=0.0)


def _board_of(table: MqttTable, told: Callable[[str], None]) -> MqttBoard:
    password = os.environ.get("YOLORKNN_MQTT_PASSWORD", "")
    if table.password_file is not None:
        password = read_secret(f"@{table.password_file}", "password_file")
    port = table.port or PORTS["mqtts" if table.tls else "mqtt"]
    address = Address(table.host, port, table.tls, table.user, password, table.prefix)
    return MqttBoard(address, board=table.board, discovery=table.discovery, told=told)
