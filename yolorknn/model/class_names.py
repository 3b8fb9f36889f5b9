"""Class names in a text file."""

from __future__ import annotations

from pathlib import Path

from yolorknn.errors import ModelError
from yolorknn.files import decoded
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
