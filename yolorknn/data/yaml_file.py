"""A data.yaml read with a measure: YAML's aliases and nesting can make gigabytes of a hundred lines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from yolorknn.errors import DatasetError, MissingDependencyError
from yolorknn.files import decoded
from yolorknn.text import reason_of

MOST_BYTES = 1 << 20
"""The names of ImageNet-21k have half."""
MOST_NODES = 100_000
"""With what is meant by aliases counted each time."""
MOST_DEPTH = 50


def read_yaml(file: Path) -> Any:
    """Return what a YAML file says; None where it is no text.

    Raises:
        DatasetError: it cannot be read, is no YAML, or is too large.
        MissingDependencyError: PyYAML is not installed.
    """
    try:
        import yaml  # noqa: PLC0415
    except ImportError as exc:
        raise MissingDependencyError("pyyaml", "val", "reading a data.yaml") from exc
    kind: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        with file.open("rb") as opened:
            data = opened.read(MOST_BYTES + 1)
        text = decoded(data)
        if len(data) > MOST_BYTES:
            raise DatasetError(f"{file} has more than {MOST_BYTES >> 20} MB: it is no data.yaml")
        depth = 0
        for event in yaml.parse(text, kind):  # events are read one by one; nodes by functions that call themselves
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > MOST_DEPTH:
                raise DatasetError(f"{file} is nested more than {MOST_DEPTH} deep: it is no data.yaml")
        node = yaml.compose(text, kind)
        if _size(node, {}) > MOST_NODES:
            raise DatasetError(
                f"{file} has more than {MOST_NODES} values, aliases counted each time: it is no data.yaml"
            )
        return yaml.load(text, kind)
    except UnicodeDecodeError:
        return None
    except OSError as exc:
        raise DatasetError(f"cannot read {file}: {reason_of(exc)}") from exc
    except (yaml.YAMLError, ValueError, TypeError, LookupError, ArithmeticError, AttributeError, RecursionError) as exc:
        what = next(iter(str(exc).splitlines()), type(exc).__name__)  # a date of no calendar is a ValueError
        raise DatasetError(f"cannot read {file}: {what}") from exc


def check_no_annotations(file: Path) -> None:
    """Refuse a JSON that is no data.yaml, which may be written as one, but all labels in one file as COCO has them.

    Raises:
        DatasetError: it is such.
    """
    if file.suffix.lower() != ".json":
        return
    try:
        with file.open("rb") as opened:
            data = opened.read(MOST_BYTES + 1)
    except OSError as exc:
        raise DatasetError(f"cannot read {file}: {reason_of(exc)}") from exc
    if len(data) > MOST_BYTES or b'"annotations"' in data:
        raise DatasetError(
            f"{file} holds annotations as COCO has them, not a data.yaml: make label files of it with convert_coco() "
            "of ultralytics.data.converter, and give a data.yaml that names their images and classes"
        )


def _size(node: Any, known: dict[int, int]) -> int:
    """Return how many nodes there would be without aliases; of one that holds itself, too many."""
    if id(node) not in known:
        known[id(node)] = MOST_NODES + 1
        parts = node.value if node is not None and not isinstance(node.value, str) else []
        inner = [child for part in parts for child in (part if isinstance(part, tuple) else (part,))]
        known[id(node)] = 1 + sum(_size(child, known) for child in inner)
    return known[id(node)]
