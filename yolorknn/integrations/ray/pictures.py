"""Pictures as Ray's datasets have them, as a source: paths, encoded bytes, arrays."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from yolorknn.errors import SourceError
from yolorknn.image import Image, check_image, decode_image, read_image
from yolorknn.stream.sources.source import Frame

Colours = Literal["rgb", "bgr"]
COLUMNS = ("image", "bytes", "path", "item")
"""Where pictures are looked for in a dataset's rows, in this order: as read_images, read_binary_files and from_items
name them."""


def picture_column(names: Iterable[str], wanted: str | None, what: str) -> str:
    """Return the column that has pictures.

    Args:
        names: of the columns that there are.
        wanted: the one that was asked for; None for the first of COLUMNS.
        what: has them.

    Raises:
        SourceError: there is none.
    """
    there = list(names)
    column = wanted or next((name for name in COLUMNS if name in there), None)
    if column not in there:
        raise SourceError(f"{what} has no column {column or ' or '.join(COLUMNS)}, but {', '.join(there)}: say column=")
    return column


class Pictures:
    """Pictures one after another; one that cannot be read fails alone.

    Args:
        values: of each its path, a URL that pyarrow reads ("s3://...", "gs://...", "hdfs://...", "file:///..."),
            encoded bytes, an array uint8 (H, W, 3), or a mapping with `bytes` and `path`.
        named: what each is called where it is no path.
        colours: the order in arrays; None where there are none.
    """

    live, fps, name = False, 0.0, "pictures"

    def __init__(self, values: Sequence[Any], named: Sequence[str], colours: Colours | None = None) -> None:
        self._values, self._named, self._colours = values, named, colours
        self.count: int | None = len(values)
        self._next = 0

    def read(self) -> Frame | None:
        """Return the next picture; None behind the last.

        Raises:
            SourceError: it cannot be read.
        """
        if self._next == len(self._values):
            return None
        value, name = self._values[self._next], self._named[self._next]
        self._next += 1
        return Frame(self._image(value, name), time.time(), name)

    def close(self) -> None:
        """Nothing to free."""

    def _image(self, value: Any, name: str) -> Image:
        if isinstance(value, dict):
            value = value.get("bytes") or value.get("path")
        if isinstance(value, str):
            return decode_image(remote_bytes(value), value) if "://" in value else read_image(Path(value))
        if isinstance(value, (bytes, bytearray, memoryview)):
            return decode_image(np.frombuffer(value, np.uint8), name)
        if isinstance(value, np.ndarray):
            return self._array(value, name)
        raise SourceError(
            f"{name} is no picture, but {type(value).__name__}: give paths, encoded bytes or uint8 arrays"
        )

    def _array(self, value: Any, name: str) -> Image:
        if self._colours is None:
            raise SourceError(
                f"{name} is an array, whose colours may be in either order: say colours='rgb', as ray.data.read_images "
                "gives them, or colours='bgr', as OpenCV reads them"
            )
        try:
            image = check_image(value)
        except ValueError as exc:
            raise SourceError(f"{name}: {exc}") from exc
        return np.ascontiguousarray(image[:, :, ::-1]) if self._colours == "rgb" else image


def remote_bytes(url: str) -> Any:
    """Return a file behind a URL that pyarrow reads, uint8 (N,).

    Raises:
        SourceError: it cannot be read.
    """
    import pyarrow as pa
    import pyarrow.fs

    try:
        system, path = pyarrow.fs.FileSystem.from_uri(url)
        with system.open_input_file(path) as file:
            return np.frombuffer(file.read(), np.uint8)
    except (OSError, pa.ArrowException) as exc:
        raise SourceError(f"cannot read {url}: {exc}") from exc
