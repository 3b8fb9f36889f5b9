"""What a key of a table takes, from which it is checked and the schema is made."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

_KEY = "yolorknn"


@dataclass(frozen=True)
class Rule:
    """What is asked of a key's value beside its type."""

    doc: str
    least: float | None = None
    most: float | None = None
    above: float | None = None
    pattern: str | None = None
    """A regular expression for the whole of a text, for checker and schema alike."""
    read: Callable[[str], Any] | None = None
    """Raises ValueError, in words, of a text that cannot be used."""
    file: bool = False
    """Whether the file that it names is read, and so must be there."""
    secret: bool = False
    """Whether its value is told to nobody."""


def key(doc: str, default: Any = dataclasses.MISSING, **rule: Any) -> Any:
    """Return a field of a table; one without a default must be given. See Rule for `rule`."""
    return dataclasses.field(default=default, metadata={_KEY: Rule(doc, **rule)})


def tables(doc: str) -> Any:
    """Return a field that is a table of tables, each under a name of its own."""
    return dataclasses.field(default_factory=dict, metadata={_KEY: Rule(doc)})


def held() -> Any:
    """Return a field that is no key: a mark of what files that it names hold; another makes another table."""
    return dataclasses.field(default="", repr=False)


def keys_of(kind: type[Any]) -> dict[str, dataclasses.Field[Any]]:
    """Return the keys of a table by name."""
    return {field.name: field for field in dataclasses.fields(kind) if _KEY in field.metadata}


def rule_of(field: dataclasses.Field[Any]) -> Rule:
    """Return what key() was given."""
    rule: Rule = field.metadata[_KEY]
    return rule
