"""A table of TOML as the value that it says, or all that is wrong with it."""

from __future__ import annotations

import dataclasses
import difflib
import math
import os
import re
import types
import typing
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

from yolorknn.files import is_file
from yolorknn.site.keys import Rule, keys_of, rule_of
from yolorknn.site.places import Where
from yolorknn.site.tables import NAME

_ABSENT = object()


class Mistake(NamedTuple):
    """Something wrong, and where it stands."""

    where: Where
    text: str


class _WrongError(Exception):
    """Says what is wrong with one value."""


class Checker:
    """Reads tables; what is wrong is gathered in `mistakes`, and the values that it is about are left out.

    Args:
        base: the folder that paths are relative to.
    """

    def __init__(self, base: Path) -> None:
        self._base = base
        self.mistakes: list[Mistake] = []

    def table(self, kind: type[Any], given: Any, where: Where) -> Any:
        """Return a table as its class; None where it cannot be one."""
        if not isinstance(given, dict):
            self.mistakes.append(Mistake(where, f"must be a table with keys of its own, not {_shown(given)}"))
            return None
        hints = typing.get_type_hints(kind)
        fields = keys_of(kind)
        for name in given:
            if name not in fields:
                self.mistakes.append(Mistake((*where, name), f"there is no such key{nearest(name, fields)}"))
        values: dict[str, Any] = {}
        for name, field in fields.items():
            if name not in given:
                if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
                    self.mistakes.append(Mistake(where, f"{name} is missing: {_lower(rule_of(field).doc)}"))
                continue
            value = self._value(hints[name], rule_of(field), given[name], (*where, name))
            if value is not _ABSENT:
                values[name] = value
        try:
            return kind(**values)
        except TypeError:  # one that must be given is wrong, or missing
            return None

    def _value(self, hint: Any, rule: Rule, given: Any, where: Where) -> Any:
        if typing.get_origin(hint) is Mapping:
            return self._named(typing.get_args(hint)[1], given, where)
        for kind in kinds_of(hint):
            if dataclasses.is_dataclass(kind):
                found = self.table(typing.cast("type[Any]", kind), given, where)
                return _ABSENT if found is None else found
        try:
            return self._plain(hint, rule, given)
        except _WrongError as exc:
            self.mistakes.append(Mistake(where, str(exc)))
            return _ABSENT

    def _named(self, kind: type[Any], given: Any, where: Where) -> dict[str, Any]:
        if not isinstance(given, dict):
            self.mistakes.append(Mistake(where, f"must be a table of tables, as [{'.'.join(where)}.NAME]"))
            return {}
        found = {}
        for name, entry in given.items():
            if not NAME.fullmatch(name):
                what = "a name has letters (a to z), digits, . _ and -, at most 64, and begins with a letter or digit"
                self.mistakes.append(Mistake((*where, name), what))
            found[name] = self.table(kind, entry, (*where, name))
        return {name: value for name, value in found.items() if value is not None}

    def _plain(self, hint: Any, rule: Rule, given: Any) -> Any:
        kinds = kinds_of(hint)
        for kind in kinds:
            if typing.get_origin(kind) is tuple:
                return self._several(typing.get_args(kind), rule, given)
            if typing.get_origin(kind) is Literal:
                choices = typing.get_args(kind)
                if given not in choices or isinstance(given, bool):
                    listed = " or ".join(f'"{choice}"' for choice in choices)
                    raise _WrongError(f"must be {listed}, not {_shown(given)}{nearest(given, choices)}")
                return given
        return self._scalar(kinds, rule, given)

    def _several(self, kinds: tuple[Any, ...], rule: Rule, given: Any) -> tuple[Any, ...]:
        many = kinds[-1] is Ellipsis
        if not isinstance(given, list) or (not many and len(given) != len(kinds)):
            raise _WrongError(f"must be a list{'' if many else f' of {len(kinds)}'}, not {_shown(given, rule)}")
        if many and not given:
            raise _WrongError("must not be an empty list: leave the key out")
        each = [kinds[0]] * len(given) if many else kinds
        return tuple(self._plain(kind, rule, entry) for kind, entry in zip(each, given, strict=True))

    def _scalar(self, kinds: tuple[Any, ...], rule: Rule, given: Any) -> Any:
        for kind in kinds:
            if kind is bool and isinstance(given, bool):
                return given
            if kind in (int, float) and _is_number(given, kind):
                _check_bounds(rule, given)
                return kind(given)
            if kind in (str, Path) and isinstance(given, str):
                _check_text(rule, given)
                return given if kind is str else self._path(rule, given)
        wanted = " or ".join(dict.fromkeys(_WORDS[kind] for kind in kinds))
        raise _WrongError(f"must be {wanted}, not {_shown(given, rule)}")

    def _path(self, rule: Rule, given: str) -> Path:
        if given == "-":
            return Path(given)
        if not given or "\0" in given:
            raise _WrongError("must be the name of a file or folder")
        try:
            path = self._base / Path(given).expanduser()
        except RuntimeError:
            raise _WrongError(f"{_shown(given)} is below a user's home, and there is no such user or home") from None
        if rule.file and not is_file(path):
            raise _WrongError(f"there is no file {path}")
        if rule.file and not os.access(path, os.R_OK):
            raise _WrongError(f"{path} may not be read by this user")
        return path


_WORDS = {bool: "true or false", int: "a whole number", float: "a number", str: "a text", Path: "a text"}


def kinds_of(hint: Any) -> tuple[Any, ...]:
    """Return the types that a value may have; None, which TOML has not, left out."""
    kinds = typing.get_args(hint) if typing.get_origin(hint) in (typing.Union, types.UnionType) else (hint,)
    return tuple(kind for kind in kinds if kind is not type(None))


def nearest(given: object, known: Iterable[str]) -> str:
    """Return the question whether one that is known was meant; empty where none is near."""
    close = difflib.get_close_matches(str(given), list(known), n=1, cutoff=0.6)
    return f"; did you mean {close[0]}?" if close else ""


def _is_number(given: Any, kind: type[Any]) -> bool:
    if isinstance(given, bool) or not isinstance(given, (int, float)):
        return False
    if isinstance(given, int):
        return given.bit_length() < 64  # what TOML has; Python reads on, beyond what a float holds
    return math.isfinite(given) and (kind is float or given == int(given))


def _check_bounds(rule: Rule, given: float) -> None:
    if rule.least is not None and given < rule.least:
        raise _WrongError(f"must be {rule.least:.15g} or more, not {given:.15g}")
    if rule.above is not None and given <= rule.above:
        raise _WrongError(f"must be above {rule.above:.15g}, not {given:.15g}")
    if rule.most is not None and given > rule.most:
        raise _WrongError(f"must be {rule.most:.15g} or less, not {given:.15g}")


def _check_text(rule: Rule, given: str) -> None:
    if rule.pattern is not None and not re.fullmatch(rule.pattern, given):
        raise _WrongError(f"cannot be {_shown(given, rule)}: {_lower(rule.doc)}")
    if rule.read is not None:
        try:
            rule.read(given)
        except ValueError as exc:
            raise _WrongError(str(exc)) from None


def _lower(doc: str) -> str:
    return doc.rstrip(".")[:1].lower() + doc.rstrip(".")[1:]


def _shown(given: object, rule: Rule | None = None) -> str:
    """Return a value as it may be shown: short, and no secret."""
    if rule is not None and rule.secret:
        return "this"
    if isinstance(given, dict):
        return "a table"
    if isinstance(given, list):
        return f"a list of {len(given)}"
    text = str(given).lower() if isinstance(given, bool) else f'"{given}"' if isinstance(given, str) else str(given)
    return text if len(text) <= 60 else f"{text[:57]}..."
