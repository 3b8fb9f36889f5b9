"""A model file as it was when it was read, to be known again when it is opened later."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Seen:
    """What is known again of a file."""

    path: Path
    stamp: tuple[int, ...] | None
    """What is another for most files that were replaced or written to; of some network drives at any time."""
    checksum: int
    """Of its content."""

    @property
    def is_there(self) -> bool:
        """Whether the file is there, with the same content."""
        if _stamp(self.path) == self.stamp is not None:
            return True
        try:
            return zlib.crc32(self.path.read_bytes()) == self.checksum
        except OSError:
            return False


def read_seen(path: Path) -> tuple[bytes, Seen]:
    """Return a file's content, and what it is known again by.

    Raises:
        OSError: it cannot be read.
    """
    stamp = _stamp(path)  # first, so that one that is replaced meanwhile is looked at again
    data = path.read_bytes()
    return data, Seen(path, stamp, zlib.crc32(data))


def _stamp(path: Path) -> tuple[int, ...] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)
