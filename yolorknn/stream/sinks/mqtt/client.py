"""One connection to a broker, from connecting to its loss, by paho-mqtt; used by one thread."""

from __future__ import annotations

import contextlib
import select
import socket
import time
from typing import Any

from yolorknn.errors import MissingDependencyError
from yolorknn.stream.sinks.mqtt.address import Address
from yolorknn.stream.sinks.mqtt.outbox import Message
from yolorknn.text import reason_of

CONNECTING = 5.0
"""Seconds for connecting, and for the broker's first answer."""
KEEPALIVE = 15
"""Seconds without a word after which the broker counts as lost, and we count as lost there."""
IN_FLIGHT = 8
"""Messages that the broker has not confirmed yet."""
HEADER = 16
"""Bytes of a message at most beside its topic and payload."""
UNKNOWN_PROTOCOL = "Unsupported protocol version"
TAKEN_OVER = "Session taken over"


class Lost(Exception):
    """There is no connection; its text says why."""


class Client:
    """Publishes with confirmation, and hears topics. What was not confirmed when it is lost is in `unconfirmed`."""

    def __init__(self, address: Address, name: str, will: Message | None, *, version: int = 5) -> None:
        """Prepare a connection.

        Args:
            address: of the broker.
            name: the client id; a broker has one client of it.
            will: what the broker publishes when we are lost.
            version: of MQTT: 5, or 4 for 3.1.1.

        Raises:
            MissingDependencyError: paho-mqtt 2 is not installed.
        """
        mqtt = _paho()
        self._address, self._version = address, version
        self.unconfirmed: dict[int, Message] = {}
        self.heard: list[Message] = []
        """Messages that came, which whoever reads it removes."""
        self.refused = ""
        """Why the broker refused a message; it may refuse others."""
        self.refusals = 0
        """How many it refused."""
        self._most: int | None = None  # bytes of a message, where the broker says so
        self._answer: str | None = None  # of the broker to CONNECT; empty for yes
        self._lost = ""
        self._client: Any = mqtt.Client(
            mqtt.CallbackAPIVersion.VERSION2,
            client_id=name,
            protocol=mqtt.MQTTv5 if version == 5 else mqtt.MQTTv311,
            **({} if version == 5 else {"clean_session": True}),
        )
        self._client.connect_timeout = CONNECTING
        self._client.suppress_exceptions = False
        self._client.max_inflight_messages_set(IN_FLIGHT)
        if address.user:
            self._client.username_pw_set(address.user, address.password or None)
        if address.tls:
            self._client.tls_set()
        if will:
            self._client.will_set(will.topic, will.payload, qos=1, retain=will.retain)
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = self._on_disconnect
        self._client.on_publish = self._on_publish
        self._client.on_message = self._on_message

    def connect(self) -> None:
        """Connect.

        Raises:
            Lost: the broker is away, or refuses.
        """
        try:
            self._client.connect(self._address.host, self._address.port, keepalive=KEEPALIVE)
            end = time.monotonic() + CONNECTING
            while self._answer is None:
                if time.monotonic() > end:
                    raise Lost("it does not answer")
                self.wait(0.2)
        except (OSError, ValueError) as exc:
            raise Lost(reason_of(exc)) from exc
        except Lost as lost:
            raise Lost(self._answer or str(lost)) from lost  # it said why, and closed the connection
        if self._answer:
            raise Lost(self._answer)

    def hear(self, *topics: str) -> None:
        """Subscribe."""
        self._client.subscribe([(topic, 1) for topic in topics])

    @property
    def has_room(self) -> bool:
        """Whether a further message may be published before others are confirmed."""
        return len(self.unconfirmed) < IN_FLIGHT

    def publish(self, message: Message) -> None:
        """Publish, to be confirmed; what is larger than the broker takes is refused: it would end the connection."""
        size = HEADER + len(message.topic.encode()) + len(message.payload)
        if self._most is not None and size > self._most:
            self.refusals += 1
            self.refused = f"{message.topic} has {size} bytes, and it takes {self._most}"
            return
        sent = self._client.publish(message.topic, message.payload, qos=1, retain=message.retain)
        self.unconfirmed[sent.mid] = message

    def wait(self, seconds: float, wake: socket.socket | None = None) -> None:
        """Send and receive for so long, or until `wake` can be read, or something came.

        Raises:
            Lost: the connection is.
        """
        own = self._client.socket()
        if own is None:
            raise Lost(self._lost or "it closed the connection")
        pending = bool(getattr(own, "pending", int)())
        poll = select.poll()  # select() knows no file above 1023, of which many cameras have more
        poll.register(own, select.POLLIN | (select.POLLOUT if self._client.want_write() else 0))
        if wake is not None:
            poll.register(wake, select.POLLIN)
        file, ready = own.fileno(), dict(poll.poll(0 if pending else 1000 * seconds))
        if wake is not None and wake.fileno() in ready:
            with contextlib.suppress(BlockingIOError):
                wake.recv(4096)
        happened = ready.get(file, 0)
        if pending or happened & ~select.POLLOUT:
            self._client.loop_read()
        if happened & select.POLLOUT and self._client.socket() is not None:
            self._client.loop_write()
        if self._client.socket() is not None:
            self._client.loop_misc()
        if self._client.socket() is None:
            raise Lost(self._lost or "it closed the connection")

    def disconnect(self) -> None:
        """Say goodbye, so that the broker does not publish the will, and release the socket."""
        with contextlib.suppress(Exception):
            self._client.disconnect()
            self.wait(0)
        self.close()

    def close(self) -> None:
        """Release the socket without a word."""
        own = self._client.socket()
        if own is not None:
            with contextlib.suppress(OSError):
                own.close()

    def _on_connect(self, _: Any, __: Any, ___: Any, reason: Any, properties: Any) -> None:
        self._most = getattr(properties, "MaximumPacketSize", None)
        self._answer = str(reason) if reason.is_failure else ""

    def _on_disconnect(self, _: Any, __: Any, ___: Any, reason: Any, ____: Any) -> None:
        text = str(reason)
        self._lost = "" if text in ("Normal disconnection", "Unspecified error") else text

    def _on_publish(self, _: Any, __: Any, mid: int, reason: Any, ____: Any) -> None:
        self.unconfirmed.pop(mid, None)
        if reason.is_failure:
            self.refusals += 1
            self.refused = str(reason)

    def _on_message(self, _: Any, __: Any, message: Any) -> None:
        self.heard.append(Message(message.topic, message.payload, message.retain))


def _paho() -> Any:
    try:
        import paho.mqtt.client as mqtt  # noqa: PLC0415
    except ImportError as exc:
        raise MissingDependencyError("paho-mqtt", "live", "MQTT") from exc
    if not hasattr(mqtt, "CallbackAPIVersion"):
        raise MissingDependencyError("paho-mqtt 2", "live", "MQTT")
    return mqtt
