"""The pages that people read, and what is typed in them."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from tests.conftest import ROOT

README = ROOT / "README.md"
BOARD = ROOT / "docs/board.md"
PAGES = (README, ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md")))


def blocks(page: Path, kind: str) -> list[str]:
    """Return the fenced blocks of a kind, in their order."""
    return re.findall(rf"^```{kind}\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)


def commands(*pages: Path) -> list[tuple[str, ...]]:
    """Return the words of every line of shell, without comments; what several pages type, once."""
    lines = [line for page in pages for block in blocks(page, "sh") for line in block.splitlines() if line.strip()]
    return list(dict.fromkeys(tuple(shlex.split(line, comments=True)) for line in lines))
