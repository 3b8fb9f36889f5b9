"""Take back what a board published."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from pathlib import Path

from yolorknn.errors import OutputError
from yolorknn.stream.sinks.mqtt import published
from yolorknn.stream.sinks.mqtt.address import Address
from yolorknn.stream.sinks.mqtt.client import Client, Lost
from yolorknn.stream.sinks.mqtt.outbox import Message
from yolorknn.stream.sinks.mqtt.topics import ONLINE, Topics

PATIENCE = 10.0
"""Seconds for all of it."""


def clean(
    address: Address, board: str, *, discovery: str = "homeassistant", memory: Path | None = None, force: bool = False
) -> int:
    """Remove all that a broker keeps of a board, with its device in Home Assistant; return of how many topics.

    Args:
        address: of the broker.
        board: its word in topics.
        discovery: where Home Assistant looks for devices.
        memory: folder of what was published; see MqttBoard.
        force: also where the board is connected, which publishes again what changes.

    Raises:
        OutputError: the broker is away or refuses, or the board is connected.
    """
    path = published.path_of(address, board, memory)
    remembered = published.read(path)
    places = {Topics(address.prefix, board, discovery)}
    if remembered:  # which may be below another prefix than who asks gave
        places.add(Topics(remembered.prefix, board, remembered.discovery))
    client = Client(address, f"{board}-clean", None)
    try:
        client.connect()
        kept = _kept(client, places)
        if not force and any(kept.get(topics.status) == ONLINE for topics in places):
            raise OutputError(
                f"{board} is connected to {address}: end yolorknn on it first, or it publishes all again; or --force"
            )
        going = list(dict.fromkeys([*kept, *(remembered.topics if remembered else [])]))
        for topic in going:
            while not client.has_room:
                client.wait(1.0)
            client.publish(Message(topic, b"", retain=True))
        _until(client, lambda: not client.unconfirmed)
        if client.refused:
            raise OutputError(f"the broker {address} refuses messages: {client.refused}")
        client.disconnect()
    except Lost as lost:
        raise OutputError(f"no connection to the broker {address}: {lost}") from lost
    finally:
        client.close()
    published.forget(path)
    return len(going)


def _until(client: Client, happened: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not happened():
        if time.monotonic() > end:
            raise Lost("it does not answer")
        client.wait(0.2)


def _kept(client: Client, places: Collection[Topics]) -> dict[str, bytes]:
    """Return what the broker keeps below the board's topics: all has come when a message of our own comes back."""
    client.hear(*(f"{topics.base}/#" for topics in places), *{topics.config for topics in places if topics.config})
    mark = f"{next(iter(places)).base}/clean"
    client.publish(Message(mark, b"mark", retain=False))
    _until(client, lambda: any(message.topic == mark for message in client.heard))
    return {message.topic: message.payload for message in client.heard if message.retain and message.payload}
