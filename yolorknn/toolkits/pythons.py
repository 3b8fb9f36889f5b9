"""Other Pythons on this machine: which there are, and what one says when it is asked."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

_SECONDS = 120.0
"""It answers at once, or on a busy machine in a while."""


def pythons(versions: Iterable[str]) -> Iterator[Path]:
    """Yield interpreters of versions, as `3.11`: of each in turn the one on PATH, then those of pyenv.

    What is found need not run: a shim of pyenv's fails where its version is not chosen.
    """
    root = Path(os.environ.get("PYENV_ROOT") or os.path.expanduser("~/.pyenv"))
    for version in versions:
        if named := shutil.which(f"python{version}"):
            yield Path(named)
        yield from sorted(root.glob(f"versions/{version}.*/bin/python"))


def asked(python: Path, question: str) -> Any:
    """Return what an interpreter prints as JSON, run alone, without the environment's and the folder's packages.

    Args:
        python: any version.
        question: Python, which prints the answer.

    Raises:
        OSError: it cannot be run.
        ValueError: it gives no such answer, or none in time.
    """
    command: list[str | Path] = [python, "-I", "-c", question]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_SECONDS)
    except subprocess.TimeoutExpired as exc:
        raise ValueError(f"{python} does not answer") from exc
    return json.loads(done.stdout)
