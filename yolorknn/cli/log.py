"""What happens while cameras are watched, on stderr: sentences, or a JSON object a line."""

from __future__ import annotations

import logging
import sys
import threading
from contextlib import suppress
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Literal

from yolorknn.cli.show import say
from yolorknn.text import dumps, shown

if TYPE_CHECKING:
    from yolorknn.site.events import Event, Level

_RANKS = {"info": 0, "warning": 1, "error": 2}


class Log(logging.Handler):
    """Shows events, and what libraries log; passwords of URLs are left out. From any thread.

    Args:
        form: sentences, or JSON with time, level, event, camera where it is one's, and message.
        level: the least that is shown.
    """

    def __init__(self, form: Literal["text", "json"], level: Level) -> None:
        super().__init__(logging.WARNING)
        self.form, self.least = form, level
        self._one = threading.Lock()

    def tell(self, event: Event) -> None:
        """Show an event."""
        if _RANKS[event.level] < _RANKS[self.least]:
            return
        if self.form == "text":
            say(event.text)
            return
        line = {
            "time": datetime.now(timezone.utc).isoformat(timespec="milliseconds"),
            "level": event.level,
            "event": event.event,
            **({"camera": event.camera} if event.camera else {}),
            "message": shown(event.text),
        }
        with self._one, suppress(OSError):
            sys.stderr.write(dumps(line) + "\n")
            sys.stderr.flush()

    def emit(self, record: logging.LogRecord) -> None:
        """Show what a library logs."""
        from yolorknn.site.events import Event

        text = record.getMessage()
        if record.exc_info and (exc := record.exc_info[1]) is not None:
            text = f"{text}: {type(exc).__name__}: {exc}"
        self.tell(Event("library", text, "error" if record.levelno >= logging.ERROR else "warning"))
