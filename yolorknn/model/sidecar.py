"""The .json beside a model, where its metadata are that have no room in the file."""

from __future__ import annotations

from pathlib import Path

from yolorknn.errors import MetadataError
from yolorknn.files import is_file
from yolorknn.model.fields import MOST_CHARACTERS
from yolorknn.text import reason_of


def read_sidecar(model: Path) -> str | None:
    """Return the text beside a model, or of one that is too long the start; None where there is none.

    Raises:
        MetadataError: it cannot be read.
    """
    path = model.with_suffix(".json")
    if not is_file(path):
        return None
    try:
        with path.open("rb") as file:
            return file.read(4 * MOST_CHARACTERS + 1).decode("utf-8", "replace")
    except OSError as exc:
        raise MetadataError(f"cannot read {path}: {reason_of(exc)}") from exc
