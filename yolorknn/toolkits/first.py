"""The vendor's toolkit for the first generation of NPUs, rknn-toolkit 1.7, in the user's own Python 3.6 or 3.8.

No registry carries it, so yolorknn cannot install it: it is looked for, and its version decides what it can do.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from yolorknn.errors import MissingDependencyError
from yolorknn.text import reason_of
from yolorknn.toolkits.pythons import asked, pythons

NAMED = "YOLORKNN_TOOLKIT1"
"""Environment variable with the interpreter to use where no --toolkit1 is given."""
WHERE = "https://github.com/rockchip-linux/rknn-toolkit"
GET = f"download the packages of rknn-toolkit 1.7 from {WHERE} and pip install the wheel for Python 3.6 or 3.8 there"
PYTHONS = ("3.6", "3.8")
"""That it has packages for."""
OLDEST_PYTHON = (3, 6)
"""That runs the child process."""
_ASK = r"""
import json, os, re, sys
found = {"python": list(sys.version_info[:2])}
for folder in sys.path:
    for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
        match = re.match(r"(rknn[_-]toolkit2?|numpy)-([0-9][0-9A-Za-z.]*?)(-py[0-9.]+)?\.(dist|egg)-info$", name)
        if match:
            found.setdefault(match.group(1).replace("-", "_"), match.group(2))
print(json.dumps(found))
"""


@dataclass(frozen=True)
class FirstToolkit:
    """An rknn-toolkit 1.x."""

    python: Path
    version: str
    python_version: str
    has_numpy: bool = True

    @property
    def works_on_pc(self) -> bool:
        """Whether it simulates and pre-compiles on a PC, both of which 1.7.5 removed."""
        numbers = tuple(int(part) for part in re.findall(r"\d{1,4}", self.version, re.ASCII)[:3])
        return numbers < (1, 7, 5)


def choose_first(python: Path | None = None) -> FirstToolkit:
    """Return the toolkit to use: of the named interpreter, or of the first that has one.

    Args:
        python: an interpreter; None for what the environment variable YOLORKNN_TOOLKIT1 names, or else for Python 3.6
            and 3.8 on PATH and of pyenv.

    Raises:
        MissingDependencyError: it has none, or none has.
    """
    named = python or (Path(os.environ[NAMED]) if os.environ.get(NAMED) else None)
    for candidate in [named] if named else pythons(PYTHONS):
        found, why = ask(candidate)
        if found is not None:
            return found
        if named:
            raise _missing(f"{named} {why}: give the interpreter that has it (--toolkit1, or {NAMED}), or {GET}")
    raise _missing(f"name the interpreter that has it with --toolkit1 or {NAMED}; without one, {GET}")


def _missing(mend: str) -> MissingDependencyError:
    purpose = "building for RV1109, RV1126, RK1808, RK1806 or RK3399Pro"
    return MissingDependencyError("rknn-toolkit 1.7", "", purpose, mend=mend)


def ask(python: Path) -> tuple[FirstToolkit | None, str]:
    """Return the toolkit that an interpreter has; or why it has none, as a sentence goes on after its name."""
    try:
        found = asked(python, _ASK)
        running = tuple(map(int, found["python"]))
    except OSError as exc:
        return None, f"cannot be run ({reason_of(exc)})"
    except (ValueError, TypeError, KeyError):
        return None, "is no Python that answers"
    version = ".".join(map(str, running))
    if running < OLDEST_PYTHON:
        return None, f"is Python {version}, and yolorknn needs 3.6 or later there"
    if "rknn_toolkit" not in found:
        other = ", but rknn-toolkit2, which is for later chips" if "rknn_toolkit2" in found else ""
        return None, f"(Python {version}) has no rknn-toolkit{other}"
    return FirstToolkit(python, found["rknn_toolkit"], version, "numpy" in found), ""
