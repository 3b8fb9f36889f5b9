"""What was found in images as flat columns, a row an image, that Parquet and JSON lines take."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from yolorknn.model.metadata import ModelMetadata
from yolorknn.stream.result import Result, record
from yolorknn.tasks.known import task_of
from yolorknn.tasks.task import Wording

Row = dict[str, Any]
ALWAYS = {"index": "int64", "source": "string", "width": "int32", "height": "int32", "error": "string"}
"""Columns of every row, by type: the image's number in the job, what it is of, its size in pixels, and why it could not
be used, null where it could."""
_SIDES = ("x1", "y1", "x2", "y2")
_TYPES = {
    "class_id": "int64",
    "name": "string",
    "confidence": "float32",
    **dict.fromkeys(_SIDES, "float32"),
    "mask": "string",
    "keypoints": "string",
    "xyxyxyxy": "string",
}
_OF = {
    "detect": ("class_id", "name", "confidence", *_SIDES),
    "segment": ("class_id", "name", "confidence", *_SIDES, "mask"),
    "pose": ("class_id", "name", "confidence", *_SIDES, "keypoints"),
    "obb": ("class_id", "name", "confidence", *_SIDES, "xyxyxyxy"),
    "classify": ("class_id", "name", "confidence"),
}
"""By task, the columns that hold a list: an entry for each object, the most confident first, or for each class."""


def schema(metadata: ModelMetadata) -> Any:
    """Return the pyarrow.Schema of a model's rows."""
    import pyarrow as pa

    found = [(name, pa.list_(pa.type_for_alias(_TYPES[name]))) for name in _OF[metadata.task]]
    return pa.schema([(name, pa.type_for_alias(kind)) for name, kind in ALWAYS.items()] + found)


def row(index: int, result: Result[Any], source: str, metadata: ModelMetadata) -> Row:
    """Return the row of an image.

    Args:
        index: its number in the job.
        result: what was found in it.
        source: what it is of.
        metadata: of the model.
    """
    said = record(result, Wording.of(metadata))
    entries: Sequence[Mapping[str, Any]] = said[task_of(metadata).key]
    height, width = result.frame.shape[:2]
    found = {name: [_value(entry, name) for entry in entries] for name in _OF[metadata.task]}
    return {"index": index, "source": _text(source), "width": width, "height": height, "error": None, **found}


def failed(index: int, source: str, error: str, metadata: ModelMetadata) -> Row:
    """Return the row of an image that could not be read, or that no core answered."""
    nothing = dict.fromkeys((*ALWAYS, *_OF[metadata.task]))
    return {**nothing, "index": index, "source": _text(source), "error": _text(error)}


def _text(name: str) -> str:
    """Return a file's name as Arrow takes it, which has no room for bytes that are no text."""
    return name.encode("utf-8", "backslashreplace").decode()


def _value(entry: Mapping[str, Any], name: str) -> Any:
    """Return one column's value of an object; what has a structure of its own as JSON."""
    if name in _SIDES:
        return entry["xyxy"][_SIDES.index(name)]
    value = entry.get(name)
    return json.dumps(value) if _TYPES[name] == "string" and name != "name" else value
