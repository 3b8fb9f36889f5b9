"""A Python for the vendor's toolkit: which of those on this machine will do."""

from __future__ import annotations

import sys
from pathlib import Path

from yolorknn.errors import BuildError
from yolorknn.toolkits.pythons import asked, pythons

OLDEST, NEWEST = (3, 10), (3, 12)
"""What rknn-toolkit2 has packages for, and numpy 1, onnx and torch 2.4 beside it."""
_ASK = "import sys, json, venv, ensurepip; print(json.dumps([*sys.version_info[:2], sys.executable]))"


def find_python() -> Path:
    """Return an interpreter that makes environments: ours, one on PATH, or one of pyenv's.

    Raises:
        BuildError: there is none.
    """
    for candidate in (Path(sys.executable), *pythons(("3.11", "3.12", "3.10"))):
        found = _asked(candidate)
        if found is not None and OLDEST <= found[0] <= NEWEST:
            return found[1]
    raise BuildError(
        "rknn-toolkit2 needs Python 3.10, 3.11 or 3.12, and none that can make environments is on PATH or in pyenv: "
        "install one ('apt install python3.11-venv', 'pyenv install 3.11') or uv, which brings its own, or name one "
        "with --python"
    )


def version_of(python: Path) -> Path:
    """Return a named interpreter, once it has said that it will do.

    Raises:
        BuildError: it cannot be run, makes no environments, or is of another version.
    """
    found = _asked(python)
    if found is None:
        raise BuildError(
            f"{python} is no Python that makes environments: 'apt install python3-venv' where that is what it lacks, "
            "or give another --python"
        )
    if not OLDEST <= found[0] <= NEWEST:
        version = ".".join(map(str, found[0]))
        raise BuildError(
            f"{python} is Python {version}, and rknn-toolkit2 needs 3.10, 3.11 or 3.12: give another --python"
        )
    return found[1]


def _asked(python: Path) -> tuple[tuple[int, int], Path] | None:
    """Return what an interpreter says of its version and where it is; None where it fails."""
    try:
        major, minor, executable = asked(python, _ASK)
        return (int(major), int(minor)), Path(executable)
    except (OSError, ValueError, TypeError):
        return None
