"""Where a broker is, and who this board is there."""

from __future__ import annotations

import hashlib
import hmac
import re
import socket
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import unquote, urlsplit

from yolorknn.errors import OutputError

PORTS = {"mqtt": 1883, "mqtts": 8883}
PREFIX = "yolorknn"
MACHINE_IDS = (Path("/etc/machine-id"), Path("/var/lib/dbus/machine-id"))
SERIAL = Path("/proc/device-tree/serial-number")
"""Of a board: burnt into its chip, so that cards with one machine-id are boards that are told apart."""

_TOPIC = re.compile(r"[^\x00-\x20+#\x7f]+")


@dataclass(frozen=True)
class Address:
    """A broker, and under which topic there."""

    host: str
    port: int
    tls: bool = False
    user: str = ""
    password: str = field(default="", repr=False)
    prefix: str = PREFIX

    @classmethod
    def read(cls, text: str) -> Address:
        """Return what mqtt://[user[:password]@]host[:port][/prefix] says; mqtts is over TLS.

        Raises:
            OutputError: it is no such URL.
        """
        try:
            parts = urlsplit(text.strip())
            host, port = parts.hostname, parts.port
        except ValueError:
            host = port = None
        prefix = unquote(parts.path.strip("/")) if host else ""
        good = host and parts.scheme in PORTS and not {"?", "#"} & set(text)
        if not good or (prefix and not _TOPIC.fullmatch(prefix)) or port == 0:
            raise OutputError(
                "a broker is given as mqtt://host, with user@ before the host, and :port and /topic behind it"
            )
        user, password = unquote(parts.username or ""), unquote(parts.password or "")
        tls = parts.scheme == "mqtts"
        return cls(host or "", port or PORTS[parts.scheme], tls, user, password, prefix or PREFIX)

    def with_password(self, password: str) -> Address:
        """Return the same with a password, where it has none of its own."""
        return self if self.password else replace(self, password=password)

    def __str__(self) -> str:
        """Return what may be shown of it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"mqtt{'s' if self.tls else ''}://{host}:{self.port}"


def machine_name() -> str:
    """Return what this machine is called by people."""
    return socket.gethostname() or "board"


def machine_number() -> str:
    """Return what tells this machine from all others and stays, by its machine-id and a board's serial number.

    Neither is told to anybody. Boards whose cards are copies of one have the serial number of their own, and a
    container without a machine-id has its board's; what has neither goes by the host's name.
    """
    marks = [next(filter(None, map(_mark, MACHINE_IDS)), ""), _mark(SERIAL)]
    known = "\0".join(filter(None, marks)) or machine_name()
    return "yolorknn-" + hmac.new(known.encode(), b"yolorknn mqtt", hashlib.sha256).hexdigest()[:8]


def _mark(path: Path) -> str:
    try:
        text = path.read_text().strip(" \r\n\0")
    except (OSError, ValueError):
        return ""
    return "" if text == "uninitialized" else text


def check_word(word: str, what: str) -> str:
    """Return a word that may stand in a topic and in an id of Home Assistant.

    Raises:
        OutputError: it may not.
    """
    if not re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", word):
        raise OutputError(f"'{word}' is no {what} for MQTT: letters, digits, - and _ only")
    return word
