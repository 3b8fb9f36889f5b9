"""A broker of one's own: mosquitto on a free port of loopback, that can be killed and begun again."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.waiting import LONGEST, until
from yolorknn.stream.sinks.mqtt.address import Address

PROGRAM = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
needs_mosquitto = pytest.mark.skipif(PROGRAM is None, reason="needs mosquitto: apt install mosquitto")


class Broker:
    """mosquitto with retained messages on disk, if wanted."""

    def __init__(self, folder: Path, *, persistent: bool = True, lines: str = "") -> None:
        """Start it."""
        pytest.importorskip("paho.mqtt")
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = int(free.getsockname()[1])
        self._config = folder / "mosquitto.conf"
        self._config.write_text(
            f"listener {self.port} 127.0.0.1\n{'' if 'allow_anonymous' in lines else 'allow_anonymous true'}\n"
            f"persistence {str(persistent).lower()}\npersistence_location {folder}/\n{lines}"
            + ("user root\n" if os.geteuid() == 0 else "")
        )
        self._log = folder / "mosquitto.log"
        self.process: subprocess.Popen | None = None
        self.start()

    @property
    def address(self) -> Address:
        """Where it is."""
        return Address("127.0.0.1", self.port)

    @property
    def log(self) -> str:
        """What it said so far."""
        return self._log.read_text()

    def start(self) -> None:
        """Start it, and wait until it listens."""
        with self._log.open("ab") as log:
            self.process = subprocess.Popen([str(PROGRAM), "-c", str(self._config)], stdout=log, stderr=log)
        until(self._listens, by=self.process)

    def _listens(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except OSError:
            return False
        return True

    def stop(self) -> None:
        """End it."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait(30)
            self.process = None


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    """One, with a folder of its own; for a conftest.py to have."""
    (tmp_path / "broker").mkdir()
    made = Broker(tmp_path / "broker")
    yield made
    made.stop()


class Listener:
    """Hears all that is published, as Home Assistant does, through a connection of its own."""

    def __init__(self, broker: Broker, *, name: str = "") -> None:
        """Subscribe, and wait until the broker said yes; for one of a name it keeps what comes while it is away."""
        import paho.mqtt.client as mqtt

        self.messages: list[tuple[str, bytes, bool]] = []
        self._ready, self._lock = threading.Event(), threading.Lock()
        self.client: Any = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=name, clean_session=not name)
        self.client.on_connect = lambda client, *_: client.subscribe("#", 1)
        self.client.on_subscribe = lambda *_: self._ready.set()
        self.client.on_message = self._heard
        self.client.reconnect_delay_set(0.05, 0.05)
        self.client.connect("127.0.0.1", broker.port)
        self.client.loop_start()
        assert self._ready.wait(LONGEST)

    def _heard(self, _: Any, __: Any, message: Any) -> None:
        with self._lock:
            self.messages.append((message.topic, message.payload, message.retain))

    def of(self, topic: str) -> list[bytes]:
        """Return the payloads of a topic, in their order."""
        with self._lock:
            return [payload for name, payload, _ in self.messages if name == topic]

    def last(self, topic: str) -> bytes | None:
        """Return the newest payload of a topic."""
        payloads = self.of(topic)
        return payloads[-1] if payloads else None

    def until(self, topic: str, happens: Callable[[bytes], object]) -> bytes:
        """Wait for a payload of which something is true; return it."""
        until(lambda: any(happens(payload) for payload in self.of(topic)))
        return next(payload for payload in reversed(self.of(topic)) if happens(payload))

    def say(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Publish."""
        self.client.publish(topic, payload, qos=1, retain=retain).wait_for_publish(LONGEST)

    def close(self) -> None:
        """Disconnect, and release paho's own pair of sockets, which else is left to the garbage collector."""
        self.client.disconnect()
        self.client.loop_stop()
        self.client._reset_sockets()


def retained(broker: Broker) -> dict[str, bytes]:
    """Return all that a broker keeps, as a late subscriber gets it."""
    listener = Listener(broker)
    try:
        listener.say("test/mark", b"mark")
        until(lambda: listener.of("test/mark"))
        return {topic: payload for topic, payload, kept in listener.messages if kept}
    finally:
        listener.close()
