"""Results as JSON lines."""

from __future__ import annotations

import sys
from io import FileIO
from pathlib import Path
from typing import Any

from yolorknn.files import writing
from yolorknn.stream.result import Result, record
from yolorknn.tasks.task import Wording
from yolorknn.text import dumps


class JsonLines:
    """Writes one JSON object a line, each at once, so that the file is readable at any moment. "-" is stdout.

    A line that ends is whole, also after SIGKILL.

    Raises:
        OutputError: the file cannot be written.
    """

    def __init__(self, target: str | Path, wording: Wording) -> None:
        """Open the target; a file is replaced. `wording` is how it says what was found."""
        self._path, self._wording = Path(target), wording
        self._file: FileIO | None = None
        if str(target) != "-":
            with writing(self._path):
                self._path.parent.mkdir(parents=True, exist_ok=True)
                self._file = self._path.open("wb", buffering=0)

    def write(self, result: Result[Any]) -> None:
        line = dumps(record(result, self._wording)) + "\n"
        with writing(self._path):
            if self._file is None:
                sys.stdout.write(line)
                sys.stdout.flush()
                return
            rest = line.encode()
            while rest:
                rest = rest[self._file.write(rest) :]

    def close(self) -> None:
        if self._file is not None:
            with writing(self._path):
                self._file.close()
