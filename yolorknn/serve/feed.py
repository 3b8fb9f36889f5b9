"""What is known of one camera by those who look, and what happened there in words."""

from __future__ import annotations

from typing import Any

from yolorknn.serve.measures import Histogram
from yolorknn.stream.result import Result
from yolorknn.stream.scene import Event, LineEvent, ZoneEvent
from yolorknn.tasks.task import Wording


class Feed:
    """What is known of one camera, whose results are said by `wording`."""

    def __init__(self, wording: Wording) -> None:
        self.wording = wording
        self.newest: Result[Any] | None = None
        self.number = 0
        """Of the newest result among all of the hub's, from 1."""
        self.latency = Histogram()
        """From a frame's arrival to its result, where it is known when it arrived."""

    def in_words(self, event: Event) -> str | None:
        """Return what happened among zones and lines; None for what is told of the life of each object."""
        if isinstance(event, LineEvent):
            what = f"crossed {event.line}, {event.direction}"
        elif isinstance(event, ZoneEvent):
            what = f"{event.type} {event.zone}" + (f" after {event.seconds:.0f} s" if event.type == "left" else "")
        else:
            return None
        return f"{self.wording.names[event.class_id]} {event.tracker_id} {what}"
