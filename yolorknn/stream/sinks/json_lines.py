"""Results as JSON lines."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

from yolorknn.files import writing
from yolorknn.stream.result import Result, Words, record
from yolorknn.stream.sinks.line_file import LineFile, Rotation
from yolorknn.text import dumps

_BEGINNING = re.compile(rb'\{"source": "(?:[^"\\]|\\.)*", "frame": \d+, "timestamp": ')
"""Of a result's line."""


class JsonLines:
    """Writes one JSON object a line, each at once, so that the file is readable at any moment. "-" is stdout.

    A line that ends is whole, also after SIGKILL.

    Raises:
        OutputError: the file cannot be written, or appended to as it has other lines.
    """

    def __init__(
        self, target: str | Path, words: Words, *, append: bool = False, rotation: Rotation | None = None
    ) -> None:
        """Open the target.

        Args:
            target: the file, or "-".
            words: how it says what was found.
            append: whether what the file has stays.
            rotation: when the file makes room for a new one.
        """
        self._path, self._words = Path(target), words
        self._file = None
        if str(target) != "-":
            self._file = LineFile(self._path, append=append, rotation=rotation, ours=_is_result, moment=_moment)

    def write(self, result: Result[Any]) -> None:
        line = dumps(record(result, self._words)) + "\n"
        if self._file is not None:
            self._file.write(line.encode())
            return
        with writing(self._path):
            sys.stdout.write(line)
            sys.stdout.flush()

    def close(self) -> None:
        if self._file is not None:
            self._file.close()


def _is_result(line: bytes) -> bool:
    """Tell whether a line is a result's, also as other programs write it; one without its end, as it begins."""
    if not line.endswith(b"\n"):
        return _BEGINNING.match(line) is not None
    try:
        read = json.loads(line)
    except (ValueError, RecursionError):
        return False
    return isinstance(read, dict) and read.keys() >= {"source", "frame", "timestamp"}


def _moment(line: bytes) -> float | None:
    """Return when a result of a camera was."""
    read = json.loads(line)  # which is a result's
    moment = read["timestamp"] if read.get("clock") == "unix" else None
    return float(moment) if isinstance(moment, (int, float)) else None
