"""A thread that keeps a connection to a broker, and publishes what is in an outbox."""

from __future__ import annotations

import contextlib
import math
import socket
import threading
import time
from collections.abc import Callable

from yolorknn.stream.backoff import Backoff
from yolorknn.stream.sinks.mqtt.address import Address
from yolorknn.stream.sinks.mqtt.client import TAKEN_OVER, UNKNOWN_PROTOCOL, Client, Lost
from yolorknn.stream.sinks.mqtt.outbox import Message, Outbox
from yolorknn.stream.sinks.mqtt.session import Session

STABLE = 10.0
"""Seconds of a good connection, after which the waits between tries begin anew."""
TICK = 0.25
"""Seconds after which what is to be published is looked at again."""
MARKED = 0.5
"""Seconds in which a broker says what it keeps."""
FINISHING = 2.0
"""Seconds for the last messages."""


class Link:
    """Connects again and again, and says what a broker that begins anew has to know.

    Args:
        address: of the broker.
        name: the client id.
        will: what the broker publishes when we are lost.
        outbox: what is to be published.
        session: the topic for the marks of connections; see session.py.
        birth: a topic on which "online" says that somebody wants all again; empty for none.
        first: topics that are sent before others when all is sent again.
        tick: called several times a second, whether there is a connection or not.
        farewell: called before the connection is closed.
        told: is told when the broker is lost, and when it is there again.

    Raises:
        MissingDependencyError: paho-mqtt 2 is not installed.
    """

    def __init__(
        self,
        address: Address,
        name: str,
        will: Message,
        outbox: Outbox,
        *,
        session: str,
        birth: str,
        first: list[str],
        tick: Callable[[], None],
        farewell: Callable[[], None],
        told: Callable[[str], None],
    ) -> None:
        """Begin its thread."""
        self._address, self._name, self._will, self._outbox = address, name, will, outbox
        self._topic, self._session = session, Session()
        self._birth, self._first, self._tick, self._farewell, self._told = birth, first, tick, farewell, told
        self.error = "not connected yet"
        """Why there is no connection; empty where there is one."""
        self.reconnects = self.refused = 0
        """How often it was there again, and how many messages the broker refused."""
        self._version = 5
        self._since = 0.0  # moment of connecting
        self._backoff, self._wait = Backoff(), 0.0  # seconds before the next try
        self._refused = False
        self._stopping = threading.Event()
        Client(address, name, will)  # raises here what is not installed
        self._wake, self._waker = socket.socketpair()
        self._wake.setblocking(False)
        self._waker.setblocking(False)
        self._thread = threading.Thread(target=self._work, name="yolorknn-mqtt", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Have what was put into the outbox looked at now."""
        with contextlib.suppress(OSError):  # it is awake, or closed
            self._waker.send(b"x")

    def close(self, patience: float) -> None:
        """Publish what is left, say goodbye, and end the thread; wait for that at most so many seconds."""
        self._stopping.set()
        self.wake()
        self._thread.join(patience)
        if not self._thread.is_alive():
            self._wake.close()
            self._waker.close()

    def _work(self) -> None:
        while not self._stopping.is_set():
            client = Client(self._address, self._name, self._will, version=self._version)
            try:
                client.connect()
                self._check_place(client)
                self._connected()
                self._serve(client)
            except Lost as lost:
                self._outbox.put_back(list(client.unconfirmed.values()))
                self._lost(str(lost))
            finally:
                client.close()
            end = time.monotonic() + self._wait
            while time.monotonic() < end and not self._stopping.wait(min(TICK, max(0.0, end - time.monotonic()))):
                self._tick()

    def _check_place(self, client: Client) -> None:
        """Leave again where another program has our name."""
        client.hear(self._topic, *([self._birth] if self._birth else []))
        end = time.monotonic() + MARKED
        while not self._session.is_first and not client.heard and time.monotonic() < end:
            client.wait(0.05)
        if any(self._session.is_taken(message.payload) for message in client.heard if message.topic == self._topic):
            client.disconnect()
            raise Lost(TAKEN_OVER)
        client.heard.clear()
        self._outbox.put_state(self._topic, self._session.mark())

    def _connected(self) -> None:
        self._since = time.monotonic()
        if self.error != "not connected yet":
            self.reconnects += 1
            self._told(f"the broker {self._address} is there again")
        self.error = ""

    def _lost(self, why: str) -> None:
        if why == UNKNOWN_PROTOCOL and self._version == 5:
            self._version, self._wait = 4, 0.0  # an older broker
            return
        if not self.error and time.monotonic() - self._since > STABLE:
            self._backoff.reset()
        # As long as there is, where another has our name: or the two would throw each other out for ever.
        self._wait = self._backoff.wait(at_least=math.inf if why == TAKEN_OVER else 0.0)
        if why == TAKEN_OVER:
            why = f"another program is connected as {self._name}: two on this board, or a copied system card"
        if why != self.error:
            self._told(f"no connection to the broker {self._address}: {why}")
        self.error = why

    def _serve(self, client: Client) -> None:
        self._outbox.send_all_again(self._first)
        while not self._stopping.is_set():
            self._tick()
            self._send(client)
            client.wait(TICK, self._wake)
            if any(message.topic == self._birth and message.payload == b"online" for message in client.heard):
                self._outbox.send_all_again(self._first)
            client.heard.clear()
            if client.refused and not self._refused:
                self._refused = True
                self._told(f"the broker {self._address} refuses messages: {client.refused}")
        self._tick()
        self._farewell()
        self._outbox.clear(self._topic)
        end = time.monotonic() + FINISHING
        while time.monotonic() < end and not (self._outbox.empty and not client.unconfirmed):
            self._send(client)
            client.wait(0.05)
        self._outbox.put_back(list(client.unconfirmed.values()))
        client.disconnect()

    def _send(self, client: Client) -> None:
        while client.has_room and (message := self._outbox.take()) is not None:
            client.publish(message)
        self.refused, client.refusals = self.refused + client.refusals, 0
