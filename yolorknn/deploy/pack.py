"""Files as the archive in which they go to a board."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO


def pack(files: Mapping[str, Path | bytes], target: IO[bytes]) -> None:
    """Write them to a pipe.

    Args:
        files: what is in each, by its name, with "/" between its parts.
        target: it is left open.

    Raises:
        OSError: one cannot be read, or the pipe is closed.
    """
    with tarfile.open(fileobj=target, mode="w|") as archive:
        for name, content in files.items():
            for entry, data in _entries(name, content):
                archive.addfile(entry, data)


def _entries(name: str, content: Path | bytes) -> Iterator[tuple[tarfile.TarInfo, IO[bytes]]]:
    entry = tarfile.TarInfo(name)
    if isinstance(content, bytes):
        entry.size, entry.mode = len(content), 0o600  # a source with its password is one
        yield entry, io.BytesIO(content)
    else:
        entry.size = content.stat().st_size
        with content.open("rb") as file:
            yield entry, file
