"""The fields of ModelMetadata out of JSON that anyone may have written: each of its type, none beyond all measure."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from typing import Any

FAILURES = (
    ArithmeticError, AttributeError, LookupError, MemoryError, RecursionError, SyntaxError, TypeError, ValueError,
)  # fmt: skip
"""What readers of Python's own raise where a text is not what they were made for."""
MOST_CHARACTERS = 1 << 20
"""Of the JSON: that of the 21,000 names of ImageNet has half."""
MOST_NUMBER = 1 << 31


def metadata_fields(text: str, known: Collection[str], build: Collection[str]) -> dict[str, Any]:
    """Return the fields that there are, with tuples for lists; those of a newer version are left out.

    Args:
        text: JSON.
        known: the names of all fields.
        build: the names of those of the build.

    Raises:
        ValueError: it is not such JSON.
        RecursionError: it is nested beyond all measure.
    """
    if len(text) > MOST_CHARACTERS:
        raise ValueError(f"{len(text)} characters")
    fields = _mapping(json.loads(text))
    found = {name: _read(_FIELDS, name, fields[name]) for name in known if name in fields and name != "build"}
    if fields.get("build"):
        values = _mapping(fields["build"])
        found["build"] = {name: _read(_BUILD, name, values[name]) for name in build if name in values}
    return found


def _read(readers: Mapping[str, Callable[[Any], Any]], name: str, value: Any) -> Any:
    try:
        return readers[name](value)
    except (ValueError, TypeError, ArithmeticError):
        raise ValueError(f"{name} is not what it should be") from None


def _mapping(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError("no JSON object")
    return value


def _custom_ops(value: Any) -> dict[str, dict[str, str]]:
    return {name: {key: _text(op[key]) for key in ("class", "sha256")} for name, op in _mapping(value).items()}


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("no text")
    return value


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("not true or false")
    return value


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) < MOST_NUMBER or value % 1:
        raise ValueError("no whole number")
    return int(value)


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError("no number")
    return float(value)


def _each(reader: Callable[[Any], Any]) -> Callable[[Any], tuple[Any, ...]]:
    def read(value: Any) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise ValueError("no list")
        return tuple(map(reader, value))

    return read


def _output(value: Any) -> tuple[str, str, int]:
    name, role, stride = value
    return _text(name), _text(role), _whole(stride)


_FIELDS: dict[str, Callable[[Any], Any]] = {
    "names": _each(_text), "imgsz": _each(_whole), "head": _text, "outputs": _each(_output), "reg_max": _whole,
    "normalized": _flag, "end_to_end": _flag, "task": _text, "prototypes": _whole, "keypoints": _each(_text),
    "anchors": _each(_each(_number)),
    "colour": _text, "mean": _each(_number), "std": _each(_number), "custom_softmax": _flag, "source": _text,
    "sha256": _text,
}  # fmt: skip
_BUILD: dict[str, Callable[[Any], Any]] = {
    "platform": _text, "dtype": _text, "toolkit": _text, "algorithm": _text, "method": _text, "dataset": _text,
    "images": _whole, "digest": _text, "options": _mapping, "custom_ops": _custom_ops, "accuracy": _mapping,
}  # fmt: skip
