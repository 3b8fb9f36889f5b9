"""Results as JSON lines."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, TextIO

from yolorknn.files import writing
from yolorknn.stream.result import Result, record
from yolorknn.tasks.task import Wording
from yolorknn.text import dumps


class JsonLines:
    """Writes one JSON object a line, flushed, so that the file is readable at any moment. "-" is stdout.

    Raises:
        OutputError: the file cannot be written.
    """

    def __init__(self, target: str | Path, wording: Wording) -> None:
        """Open the target; a file is replaced. `wording` is how it says what was found."""
        self._path, self._wording = Path(target), wording
        self._file: TextIO
        if str(target) == "-":
            self._file = sys.stdout
        else:
            with writing(self._path):
                self._path.parent.mkdir(parents=True, exist_ok=True)
                self._file = self._path.open("w", encoding="utf-8")

    def write(self, result: Result[Any]) -> None:
        with writing(self._path):
            self._file.write(dumps(record(result, self._wording)) + "\n")
            self._file.flush()

    def close(self) -> None:
        if self._file is not sys.stdout:
            with writing(self._path):
                self._file.close()
