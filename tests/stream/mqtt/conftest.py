"""Boards at a real broker, and who listens there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.boards import Boards
from tests.fakes.mosquitto import Broker, Listener, broker
from yolorknn.stream import backoff
from yolorknn.stream.sinks.mqtt import link

__all__ = ["broker"]


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tries to connect follow soon, so that no test waits for a minute."""
    monkeypatch.setattr(backoff, "FIRST", 0.05)
    monkeypatch.setattr(backoff, "LONGEST", 0.2)
    monkeypatch.setattr(link, "TICK", 0.05)
    monkeypatch.setattr(link, "MARKED", 0.2)


@pytest.fixture
def ears(broker: Broker) -> Iterator[Listener]:
    made = Listener(broker)
    yield made
    made.close()


@pytest.fixture
def boards(broker: Broker, tmp_path: Path) -> Iterator[Boards]:
    made = Boards(broker, tmp_path / "memory")
    yield made
    made.close()
