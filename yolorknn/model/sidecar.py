"""The .json beside a model, where its metadata are that have no room in the file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from yolorknn.errors import MetadataError
from yolorknn.files import is_file
from yolorknn.model.fields import MOST_CHARACTERS
from yolorknn.text import reason_of

Metadata = TypeVar("Metadata")


def read_sidecar(model: Path, parse: Callable[[str], Metadata]) -> Metadata | None:
    """Return what the file beside a model says; None where there is none.

    Args:
        model: the model.
        parse: makes metadata of the text, or of one that is too long of its start.

    Raises:
        MetadataError: it cannot be read, or is something else.
    """
    path = model.with_suffix(".json")
    if not is_file(path):
        return None
    try:
        with path.open("rb") as file:
            text = file.read(4 * MOST_CHARACTERS + 1).decode("utf-8", "replace")
    except OSError as exc:
        raise MetadataError(f"cannot read {path}: {reason_of(exc)}") from exc
    try:
        return parse(text)
    except MetadataError as exc:
        raise MetadataError(
            f"{path} is not the metadata that were written beside {model.name}: copy these there, or if others made "
            f"the model, move the file away ({exc})"
        ) from exc
