"""A board at a broker: its cameras, and how Home Assistant knows them."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from yolorknn.errors import OutputError
from yolorknn.stream.sinks.mqtt import published
from yolorknn.stream.sinks.mqtt.address import Address, check_word, machine_name, machine_number
from yolorknn.stream.sinks.mqtt.camera import CameraSink, Places, known_places
from yolorknn.stream.sinks.mqtt.discovery import Component, discovery_payload, installed
from yolorknn.stream.sinks.mqtt.link import Link
from yolorknn.stream.sinks.mqtt.outbox import Message, Outbox
from yolorknn.stream.sinks.mqtt.state import MqttState
from yolorknn.stream.sinks.mqtt.topics import OFFLINE, ONLINE, Health, Topics, word_of
from yolorknn.text import shown

MOST_REMOVED = 500
"""Entities of which Home Assistant is told that they are no more."""
MOST_TOLD = 20
"""Sentences on failures, each told once."""

_logger = logging.getLogger(__name__)


class MqttBoard:
    """One connection for all cameras of a board, one device in Home Assistant.

        board = MqttBoard(Address.read("mqtt://broker"))
        sink = board.camera("camera0", names={0: "person"})
        board.start()

    A broker that is away costs nothing: of each state the newest is kept, of events the last 256. What was published
    is remembered on disk, so that cameras that are not there any more go from the broker at the next start.
    """

    def __init__(
        self,
        address: Address,
        *,
        board: str | None = None,
        name: str | None = None,
        discovery: str = "homeassistant",
        memory: Path | None = None,
        told: Callable[[str], None] = _logger.warning,
    ) -> None:
        """Prepare it; nothing is sent before start().

        Args:
            address: of the broker.
            board: the word for this board in topics, and its client id; default is of the machine-id.
            name: what people call it; default is the host's name.
            discovery: where Home Assistant looks for devices; empty for no discovery.
            memory: folder for what was published; default is the user's own, or the service's.
            told: is told when the broker is lost, and when it is there again.

        Raises:
            OutputError: a word that cannot stand in a topic.
        """
        self.board = check_word(board or machine_number(), "name of a board")
        self._address, self._name, self._told = address, name or machine_name(), told
        if discovery:
            check_word(discovery, "discovery prefix")
        self._topics = Topics(address.prefix, self.board, discovery)
        self._path = published.path_of(address, self.board, memory)
        self.place = (str(address), self.board)
        """What is published there is that of one board, whoever logs in for it."""
        self._outbox, self._gone = Outbox(), False
        self._cameras: dict[str, CameraSink] = {}
        self._lock = threading.Lock()
        self._link: Link | None = None
        self._published: published.Published | None = None
        self._announced: tuple[dict[str, Component], set[str]] | None = None
        self._failed: set[str] = set()  # what was told already

    def camera(
        self,
        name: str,
        *,
        names: Mapping[int, str],
        zones: Sequence[str] = (),
        places: Places = known_places,
        health: Callable[[], Health] | None = None,
        picture_every: float = 10.0,
    ) -> CameraSink:
        """Return the sink of a camera; after start() too.

        Args:
            name: of the camera; in topics, what is no letter, digit, - or _ is _.
            names: class names by class id.
            zones: names of its zones; those that tracking knows are added.
            places: which zones each object of a result is in, quick, as the stream waits for it; default is what
                tracking knows of it.
            health: how the camera does; default is what results say: fps, and none for 10 seconds is a problem.
            picture_every: seconds between two pictures.

        Raises:
            OutputError: there is a camera of that name.
        """
        word = word_of(name)
        with self._lock:
            if word in self._cameras:
                raise OutputError(f"two cameras are called '{word}' for MQTT: give one another name")
            sink = CameraSink(
                self._topics, self._outbox, self._wake,
                camera=word, title=name, names=names, zones=zones, places=places, health=health,
                picture_every=picture_every,
            )  # fmt: skip
            if self._published is not None:
                sink.restore(self._published.components)
            self._cameras[word] = sink
        return sink

    def remove(self, sink: CameraSink) -> None:
        """Have a camera go, with its entities and all that the broker keeps of it."""
        with self._lock:
            self._cameras.pop(sink.camera, None)
        self._wake()

    def start(self) -> None:
        """Connect, in a thread of its own, for as long as it takes.

        Raises:
            MissingDependencyError: paho-mqtt 2 is not installed.
        """
        known = published.read(self._path)
        if known is None or known.board != self.board:
            known = published.Published("", "", "", "", "")
        known.broker, known.user, known.prefix = str(self._address), self._address.user, self._address.prefix
        known.board, known.discovery = self.board, self._topics.discovery
        self._published = known
        for sink in self._cameras.values():
            sink.restore(known.components)
        will = Message(self._topics.status, OFFLINE, retain=True)
        self._tick(connected=False)
        self._link = Link(
            self._address, self.board, will, self._outbox,
            session=self._topics.session,
            birth=self._topics.birth, first=[self._topics.config, self._topics.status],
            tick=self._tick, farewell=self._farewell, told=self._told,
        )  # fmt: skip

    @property
    def state(self) -> MqttState:
        """How the connection does now."""
        link, box = self._link, self._outbox
        if link is None:
            return MqttState("not started", 0, box.sent, box.dropped, 0, box.waiting)
        return MqttState(link.error, link.reconnects, box.sent, box.dropped, link.refused, box.waiting)

    def close(self, patience: float = 5.0, *, gone: bool = False) -> None:
        """Say that the board is away, and disconnect; wait for that at most `patience` seconds.

        Args:
            patience: seconds.
            gone: have the broker keep nothing of it any more.
        """
        self._gone = gone
        if (link := self._link) is not None:
            link.close(patience)
            self._link = None
            if gone:
                self._forget(link.error)

    def _wake(self) -> None:
        if (link := self._link) is not None:
            link.wake()

    def _tick(self, *, connected: bool | None = None) -> None:
        if connected is None:
            connected = self._link is not None and not self._link.error
        with self._lock:
            cameras = list(self._cameras.values())
        now = time.monotonic()
        for sink in cameras:
            try:
                sink.tick(now, connected=connected)
            except Exception as exc:  # of the caller's `health` or `places`, or a picture
                self._tell_once(f"{sink.camera} over MQTT: {type(exc).__name__}: {shown(exc)}")
        self._announce(cameras)

    def _farewell(self) -> None:
        if self._gone and self._published is not None:
            for topic in self._published.topics:
                self._outbox.clear(topic)
            return
        for topic in [self._topics.status, *(self._topics.camera(word).status for word in list(self._cameras))]:
            self._outbox.put_state(topic, OFFLINE)

    def _announce(self, cameras: list[CameraSink]) -> None:
        """Publish the device where its entities changed; what is no more, goes."""
        known = self._published
        assert known is not None
        components = {key: value for sink in cameras for key, value in sink.components.items()}
        awaited = {key for sink in cameras for key in sink.former}
        if self._announced == (components, awaited):  # quick, as most are the very same
            return
        self._announced = (components, awaited)
        topics = [self._topics.status, self._topics.session]
        topics += [topic for sink in cameras for topic in self._topics.camera(sink.camera).retained]
        topics += [self._topics.config] if self._topics.config else []
        gone = {**known.removed, **known.components}
        kept = {key: platform for key, platform in known.components.items() if key in awaited}
        removed = [(key, platform) for key, platform in gone.items() if key not in {**components, **kept}]
        known.removed = dict(removed[-MOST_REMOVED:])
        known.components = {**kept, **{key: str(value["p"]) for key, value in components.items()}}
        stale = [topic for topic in known.topics if topic not in topics]
        known.topics = topics
        for topic in stale:
            self._outbox.clear(topic)
        self._remember(known, [topic for topic in self._outbox.clearing if topic not in topics])
        if self._topics.config:
            payload = discovery_payload(self._topics, self._name, installed(), components, known.removed)
            self._outbox.put_state(self._topics.config, payload)
        self._outbox.put_state(self._topics.status, ONLINE)

    def _remember(self, known: published.Published, stale: list[str]) -> None:
        """Note what is published before it is, so that a killed process leaves nothing that nobody knows of."""
        kept = published.Published(**{**known.__dict__, "topics": [*known.topics, *stale]})
        try:
            published.write(self._path, kept)
        except OutputError as exc:
            self._tell_once(f"what is published over MQTT is not remembered: {exc}")

    def _forget(self, error: str) -> None:
        try:
            if error or not self._outbox.empty:
                raise OutputError(error or "it did not answer")
            published.forget(self._path)
        except OutputError as exc:
            self._told(
                f"the broker {self._address} keeps what was published: {exc}; `yolorknn mqtt --clean` removes it"
            )

    def _tell_once(self, text: str) -> None:
        if text not in self._failed and len(self._failed) < MOST_TOLD:
            self._failed.add(text)
            self._told(text)
