"""What is to be published: of a state the newest, of events so many; bounded, whatever the broker does."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass

MOST_EVENTS = 256


@dataclass(frozen=True)
class Message:
    """One to be published."""

    topic: str
    payload: bytes
    retain: bool


class Outbox:
    """Holds the newest payload of each retained topic, and events until they are sent; used by several threads."""

    def __init__(self) -> None:
        """Begin empty."""
        self.dropped = 0
        """Events that were given up."""
        self.sent = 0
        """Messages that were taken, and not put back."""
        self._lock = threading.Lock()
        self._states: dict[str, bytes] = {}  # all that the broker is to keep
        self._unsent: dict[str, None] = {}  # topics, in their order
        self._events: deque[Message] = deque()

    def put_state(self, topic: str, payload: bytes) -> None:
        """Have the broker keep a payload in place of the one before; one that it has already is not sent again."""
        with self._lock:
            if self._states.get(topic) != payload:
                self._states[topic] = payload
                self._unsent[topic] = None

    def clear(self, topic: str) -> None:
        """Have the broker keep nothing there any more."""
        with self._lock:
            self._states[topic] = b""
            self._unsent[topic] = None

    def put_event(self, topic: str, payload: bytes) -> None:
        """Send once; where there are too many, the oldest goes."""
        with self._lock:
            self._events.append(Message(topic, payload, retain=False))
            self._bound()

    def take(self) -> Message | None:
        """Return the next to be sent: states before events, as an event may be about a camera that nobody knows yet."""
        with self._lock:
            self.sent += bool(self._unsent or self._events)
            if self._unsent:
                topic = next(iter(self._unsent))
                del self._unsent[topic]
                payload = self._states[topic]
                if not payload:
                    del self._states[topic]
                return Message(topic, payload, retain=True)
            return self._events.popleft() if self._events else None

    def put_back(self, messages: list[Message]) -> None:
        """Take back what may not have arrived, in the order in which it was taken; newer states win."""
        with self._lock:
            self.sent -= len(messages)
            for message in reversed(messages):
                if not message.retain:
                    self._events.appendleft(message)
                elif not message.payload:
                    self._states.setdefault(message.topic, b"")
                    self._unsent[message.topic] = None
            self._bound()

    def send_all_again(self, first: list[str]) -> None:
        """Have every state sent again, as a broker may have forgotten them; those topics first, and in that order."""
        with self._lock:
            topics = [topic for topic in first if topic in self._states]
            self._unsent = dict.fromkeys([*topics, *self._states])

    @property
    def clearing(self) -> list[str]:
        """Topics of which the broker does not know yet that it is to keep nothing there."""
        with self._lock:
            return [topic for topic in self._unsent if not self._states[topic]]

    @property
    def waiting(self) -> int:
        """Messages that are not sent yet."""
        with self._lock:
            return len(self._unsent) + len(self._events)

    @property
    def empty(self) -> bool:
        """Whether all is sent."""
        return not self.waiting

    def _bound(self) -> None:
        while len(self._events) > MOST_EVENTS:
            self._events.popleft()
            self.dropped += 1
