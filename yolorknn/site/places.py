"""In which line of a TOML file a key stands, for what is said of it."""

from __future__ import annotations

import re
from collections.abc import Iterator

Where = tuple[str, ...]
"""The names that lead to a value: of tables, of its key, and numbers in arrays."""

_NAME = r"""(?:"((?:[^"\\\n]|\\.)*)"|'([^'\n]*)'|([A-Za-z0-9_-]+))"""
_DOTTED = re.compile(rf"\s*{_NAME}\s*(\.|=|\]|)")
_HEADER = re.compile(r"\s*\[\[?")
_TOKEN = re.compile(
    r"""'{3}.*?(?:'{3,5}|\Z)|"{3}(?:\\.|[^\\])*?(?:"{3,5}|\Z)|"(?:[^"\\\n]|\\.)*"|'[^'\n]*'|\#[^\n]*|[\[\]{}\n]""",
    re.DOTALL,
)


def lines_of(text: str) -> dict[Where, int]:
    """Return the line of each table and key of a file that is good TOML, from 1; what stands in braces has none."""
    found: dict[Where, int] = {}
    table: Where = ()
    for number, statement in _statements(text):
        header = _HEADER.match(statement)
        names = tuple(_names(statement[header.end() :] if header else statement))
        if header:
            table = names
        whole = names if header else (*table, *names)
        for length in range(1, len(whole) + 1):
            found.setdefault(whole[:length], number)
    return found


def line_of(where: Where, lines: dict[Where, int]) -> int | None:
    """Return the line of a value, or of the nearest table around it; None of the file as a whole."""
    for length in range(len(where), 0, -1):
        if where[:length] in lines:
            return lines[where[:length]]
    return None


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Give each header and each key with its value, which may take several lines, and the line where it begins."""
    start, depth = 0, 0
    for token in _TOKEN.finditer(f"{text}\n"):
        if token[0] == "\n" and not depth:
            if (statement := text[start : token.start()]).strip():
                yield text.count("\n", 0, start) + 1, statement
            start = token.end()
        elif token[0] in "[{":
            depth += 1
        elif token[0] in "]}":
            depth -= 1


def _names(text: str) -> Iterator[str]:
    """Give the names of a dotted key, as far as they go."""
    position = 0
    while found := _DOTTED.match(text, position):
        yield next(part for part in found.groups()[:3] if part is not None)
        position = found.end()
        if found[4] != ".":
            return
