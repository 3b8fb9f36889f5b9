"""A broker that knows MQTT 3.1.1 alone: a stand-in that answers what is needed, byte by byte."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.results import NAMES, result
from tests.fakes.waiting import until
from yolorknn.stream.sinks.mqtt.address import Address
from yolorknn.stream.sinks.mqtt.board import MqttBoard


class OldBroker:
    """Refuses version 5 as MQTT 3.1.1 says, takes version 4, and confirms all that it gets."""

    def __init__(self) -> None:
        self.versions: list[int] = []
        self.topics: list[str] = []
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listening.getsockname()[1])
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection = self._listening.accept()[0]
            except OSError:
                return
            with connection, connection.makefile("rb") as read:
                self._talk(connection, read)

    def _talk(self, connection: socket.socket, read: object) -> None:
        while head := read.read(1):  # type: ignore[attr-defined]
            length = shift = 0
            while True:
                byte = read.read(1)[0]  # type: ignore[attr-defined]
                length, shift = length | (byte & 127) << shift, shift + 7
                if byte < 128:
                    break
            body = read.read(length)  # type: ignore[attr-defined]
            kind = head[0] >> 4
            if kind == 1:
                self.versions.append(body[6])
                connection.sendall(b"\x20\x02\x00" + (b"\x00" if body[6] == 4 else b"\x01"))
                if body[6] != 4:
                    return
            elif kind == 3:
                end = 2 + int.from_bytes(body[:2], "big")
                self.topics.append(body[2:end].decode())
                connection.sendall(b"\x40\x02" + body[end : end + 2])
            elif kind == 8:
                count = body[2:].count(b"\x01")
                connection.sendall(bytes([0x90, 2 + count]) + body[:2] + b"\x01" * count)
            elif kind == 14:
                return

    def close(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join()


@pytest.fixture
def broker() -> Iterator[OldBroker]:
    pytest.importorskip("paho.mqtt")
    made = OldBroker()
    yield made
    made.close()


def test_version_4_is_spoken_where_5_is_refused(broker: OldBroker, tmp_path: Path) -> None:
    told: list[str] = []
    board = MqttBoard(Address("127.0.0.1", broker.port), board="pi", memory=tmp_path, told=told.append)
    sink = board.camera("yard", names=NAMES)
    board.start()
    sink.write(result())
    until(lambda: "yolorknn/pi/yard/image" in broker.topics)
    assert board.state.error == "" and broker.versions == [5, 4] and told == []
    board.close()
    assert broker.topics[-2:].count("yolorknn/pi/session") == 1
