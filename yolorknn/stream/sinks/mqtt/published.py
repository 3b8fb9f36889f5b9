"""What this board published, remembered on disk, so that what goes from its configuration goes from the broker too."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from yolorknn.errors import OutputError
from yolorknn.files import state_folder, write_bytes
from yolorknn.stream.sinks.mqtt.address import Address
from yolorknn.text import reason_of

_MOST = 1 << 24  # more than as many entities of two hundred cameras as there may be


@dataclass
class Published:
    """Of one board at one broker."""

    broker: str
    """As it may be shown."""
    user: str
    prefix: str
    board: str
    discovery: str
    topics: list[str] = field(default_factory=list)
    """That the broker keeps a payload of."""
    components: dict[str, str] = field(default_factory=dict)
    """Entities of Home Assistant by key: their platform."""
    removed: dict[str, str] = field(default_factory=dict)
    """Those that were, and are to be removed."""

    @property
    def address(self) -> Address:
        """The broker, without a password.

        Raises:
            OutputError: it is none.
        """
        scheme, _, place = self.broker.partition("://")
        user = f"{quote(self.user, safe='')}@" if self.user else ""
        return Address.read(f"{scheme}://{user}{place}/{quote(self.prefix)}")


def path_of(address: Address, board: str, folder: Path | None = None) -> Path:
    """Return where what is published by a board to a broker is remembered."""
    key = hashlib.sha256(f"{address} {board}".encode()).hexdigest()[:12]
    return (folder or state_folder()) / f"mqtt-{key}.json"


def read(path: Path) -> Published | None:
    """Return what is remembered; None where there is nothing, or a file that is none of these."""
    try:
        with path.open("rb") as opened:
            values = json.loads(opened.read(_MOST))
        found = Published(**values)
    except (OSError, ValueError, TypeError, RecursionError):
        return None
    return found if _sound(found) else None


def write(path: Path, published: Published) -> None:
    """Remember it.

    Raises:
        OutputError: the file cannot be written.
    """
    write_bytes(path, json.dumps(published.__dict__, indent=1).encode())


def forget(path: Path) -> None:
    """Remember nothing.

    Raises:
        OutputError: the file cannot be removed.
    """
    try:
        path.unlink(missing_ok=True)
    except OSError as exc:
        raise OutputError(f"cannot remove {path}: {reason_of(exc)}") from exc


def every(folder: Path | None = None) -> Iterator[tuple[Path, Published]]:
    """Yield all that is remembered on this machine, for this user."""
    for path in sorted((folder or state_folder()).glob("mqtt-*.json")):
        if (found := read(path)) is not None:
            yield path, found


def _sound(found: Published) -> bool:
    words: list[Any] = [found.broker, found.user, found.board, found.prefix, found.discovery]
    mappings = (found.components, found.removed)
    return (
        isinstance(found.topics, list)
        and all(isinstance(word, str) for word in [*words, *found.topics])
        and all(isinstance(mapping, dict) for mapping in mappings)
        and all(isinstance(word, str) for mapping in mappings for pair in mapping.items() for word in pair)
    )
