"""Results as annotated images, one a file."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2

from yolorknn.errors import OutputError
from yolorknn.files import write_bytes
from yolorknn.stream.picture import picture_of
from yolorknn.stream.result import Result

READ_ONLY = frozenset({".jp2", ".mpo"})
"""What is written as JPEG: OpenCV writes no .mpo, and no .jp2 of small pictures."""


class Pictures:
    """Writes image files annotated, under their own names, into a folder; READ_ONLY ones with .jpg behind.

    Where two of them have one name, all go into folders there as their own are to each other.

    Raises:
        OutputError: one cannot be encoded or written.
    """

    def __init__(self, folder: Path, names: Mapping[int, str], files: Sequence[Path] = ()) -> None:
        """Write into `folder`; `names` are those of the classes, `files` all that will come, where that is known."""
        self._folder, self._names = folder, names
        self._root: str | None = None
        if len({file.name for file in files}) < len(files):
            self._root = os.path.commonpath([os.path.dirname(os.path.abspath(file)) for file in files])

    def target(self, source: str) -> Path:
        """Return where the picture of an image file goes."""
        within = os.path.relpath(os.path.abspath(source), self._root) if self._root else Path(source).name
        path = self._folder / within
        return path.with_name(f"{path.name}.jpg") if path.suffix.lower() in READ_ONLY else path

    def write(self, result: Result[Any]) -> None:
        path = self.target(result.source)
        ok, data = cv2.imencode(path.suffix, picture_of(result, self._names))
        if not ok:
            raise OutputError(f"cannot encode {path}")
        write_bytes(path, data.tobytes())

    def close(self) -> None:
        pass
