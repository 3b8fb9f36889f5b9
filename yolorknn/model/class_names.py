"""Class names: of a text file, and how classes are chosen by them."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from operator import index
from pathlib import Path

from yolorknn.errors import ModelError
from yolorknn.files import decoded
from yolorknn.model.metadata import ModelMetadata
from yolorknn.text import reason_of


def read_names(file: Path | None) -> list[str] | None:
    """Return the class names of a file, one a line.

    Raises:
        ModelError: it cannot be read.
    """
    if file is None:
        return None
    try:
        return [line.strip() for line in decoded(file.read_bytes()).splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as exc:
        raise ModelError(f"cannot read the names in {file}: {reason_of(exc)}") from exc


def given_names(names: Sequence[str] | Mapping[int, str] | None) -> list[str] | None:
    """Return class names as a program gives them: in the order of their ids, or by id, as detectors have them.

    Raises:
        ValueError: they are no such names, as the text that a file's name is.
    """
    if names is None:
        return None
    listed = [names.get(number) for number in range(len(names))] if isinstance(names, Mapping) else names
    if isinstance(listed, (str, bytes)) or not all(isinstance(name, str) for name in listed):
        raise ValueError(f"names is a list of class names, or one by each id from 0 on, not {names!r:.100}")
    return [str(name) for name in listed]


def names_of(metadata: ModelMetadata, classes: Sequence[int | str] | None) -> tuple[str, ...] | None:
    """Return the names of classes given by id or name; None for all.

    Raises:
        ModelError: the model has no such class.
    """
    return None if classes is None else tuple(metadata.names[class_ids(metadata, entry)[0]] for entry in classes)


def class_ids(metadata: ModelMetadata, entry: int | str) -> list[int]:
    """Return the id of a class given by id, of any type of whole numbers, or the ids that have a name.

    Raises:
        ModelError: the model has no such class.
    """
    if named := [number for number, name in enumerate(metadata.names) if name == entry]:
        return named
    if isinstance(entry, str):
        number = int(entry) if entry.isdecimal() and len(entry) < 10 else -1
    else:
        number = index(entry) if hasattr(entry, "__index__") else -1
    if 0 <= number < len(metadata.names):
        return [number]
    close = difflib.get_close_matches(str(entry), metadata.names, n=1)
    hint = (
        f"did you mean '{close[0]}'?" if close else f"its {len(metadata.names)} classes are listed by 'yolorknn info'"
    )
    raise ModelError(f"the model has no class '{entry}': {hint}")
