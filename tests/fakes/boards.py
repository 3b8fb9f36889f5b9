"""Boards of one name at one broker, and what they say."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.fakes.mosquitto import Broker
from yolorknn.stream.sinks.mqtt.board import MqttBoard

BASE = "yolorknn/orangepi"
CONFIG = "homeassistant/device/orangepi/config"
PERSON, LIGHT = ((0, 0, 10, 10), 0.9, 0), ((5, 5, 20, 20), 0.8, 1)


class Boards:
    """Makes boards that remember in one folder, and closes them."""

    def __init__(self, broker: Broker, folder: Path) -> None:
        self.broker, self.folder, self.told = broker, folder, list[str]()
        self._made: list[MqttBoard] = []

    def __call__(self, **given: Any) -> MqttBoard:
        options: dict[str, Any] = {"board": "orangepi", "name": "Orange Pi", "memory": self.folder, **given}
        self._made.append(MqttBoard(self.broker.address, told=self.told.append, **options))
        return self._made[-1]

    def close(self) -> None:
        for board in self._made:
            board.close()


def state(payload: bytes) -> dict[str, Any]:
    return dict(json.loads(payload))


def counts_are(**counts: int) -> Callable[[bytes], bool]:
    return lambda payload: state(payload)["counts"] == counts
