"""Whether an .onnx is whole, found without reading what is in it, and without the onnx package."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

_GRAPH = 7
"""The field of ModelProto that has the graph."""
_MOST = 100_000
"""Fields of a model at most: metadata and functions have one each."""


def is_whole(path: Path) -> bool:
    """Tell whether a file is a message of protobuf with a graph whose fields end where the file does.

    Raises:
        OSError: it cannot be read.
    """
    size, graph = path.stat().st_size, False
    with path.open("rb") as file:
        for _ in range(_MOST):
            if file.tell() >= size:
                return graph and file.tell() == size
            try:
                tag = _varint(file)
                graph |= tag == _GRAPH << 3 | 2
                match tag & 7:
                    case 0:
                        _varint(file)
                    case 1:
                        file.seek(8, os.SEEK_CUR)
                    case 2:
                        file.seek(_varint(file), os.SEEK_CUR)
                    case 5:
                        file.seek(4, os.SEEK_CUR)
                    case _:
                        return False
            except (ValueError, OverflowError):
                return False
    return False


def _varint(file: BinaryIO) -> int:
    value = 0
    for shift in range(0, 64, 7):
        if not (byte := file.read(1)):
            raise ValueError("the file ends in a number")
        value |= (byte[0] & 0x7F) << shift
        if byte[0] < 0x80:
            return value
    raise ValueError("a number has 64 bits at most")
