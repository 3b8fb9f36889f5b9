"""Results as annotated images, one a file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2

from yolorknn.errors import OutputError
from yolorknn.files import write_bytes
from yolorknn.stream.result import Result
from yolorknn.tasks.draw import draw


class Pictures:
    """Writes image files annotated, under their own names, into a folder.

    Raises:
        OutputError: one cannot be encoded or written.
    """

    def __init__(self, folder: Path, names: Mapping[int, str]) -> None:
        """Write into `folder`; `names` are those of the classes."""
        self._folder, self._names = folder, names

    def write(self, result: Result[Any]) -> None:
        path = self._folder / Path(result.source).name
        ok, data = cv2.imencode(path.suffix, draw(result.frame, result.detections, self._names))
        if not ok:
            raise OutputError(f"cannot encode {path}")
        write_bytes(path, data.tobytes())

    def close(self) -> None:
        pass
