"""The JSON schema of a site file, made of the same tables that it is checked by."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from yolorknn.site.check import kinds_of
from yolorknn.site.keys import Rule, keys_of, rule_of
from yolorknn.site.tables import NAME, Site

_TYPES = {bool: "boolean", int: "integer", float: "number", str: "string", Path: "string"}


def schema() -> dict[str, Any]:
    """Return it, as editors of TOML and validators of JSON take it."""
    whole = _table(Site)
    needed = ["models", "cameras"]
    for name in needed:
        whole["properties"][name]["minProperties"] = 1
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "yolorknn watch"}
    return {**head, **whole, "required": needed}


def _table(kind: Any) -> dict[str, Any]:
    hints = typing.get_type_hints(kind)
    fields = keys_of(kind).values()
    required = [
        field.name
        for field in fields
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    ]
    return {
        "type": "object",
        "description": (kind.__doc__ or "").strip(),
        "additionalProperties": False,
        "properties": {field.name: _value(hints[field.name], rule_of(field), field.default) for field in fields},
        **({"required": required} if required else {}),
    }


def _value(hint: Any, rule: Rule, default: Any) -> dict[str, Any]:
    found = _typed(hint, rule)
    plain = isinstance(default, (bool, int, float, str))
    return {**found, "description": rule.doc, **({"default": default} if plain else {})}


def _typed(hint: Any, rule: Rule) -> dict[str, Any]:
    if typing.get_origin(hint) is Mapping:
        entry = _table(typing.get_args(hint)[1])
        return {
            "type": "object",
            "propertyNames": {"pattern": _whole(NAME.pattern)},
            "additionalProperties": entry,
        }
    kinds = [_kind(kind, rule) for kind in kinds_of(hint)]
    return kinds[0] if len(kinds) == 1 else {"anyOf": kinds}


def _kind(kind: Any, rule: Rule) -> dict[str, Any]:
    if dataclasses.is_dataclass(kind):
        return _table(kind)
    if typing.get_origin(kind) is Literal:
        return {"enum": list(typing.get_args(kind))}
    if typing.get_origin(kind) is tuple:
        each = typing.get_args(kind)
        if each[-1] is Ellipsis:
            return {"type": "array", "minItems": 1, "items": _typed(each[0], rule)}
        count = {"minItems": len(each), "maxItems": len(each)}
        return {"type": "array", "prefixItems": [_typed(entry, rule) for entry in each], **count}
    found: dict[str, Any] = {"type": _TYPES[kind]}
    if kind in (int, float):
        bounds = {"minimum": rule.least, "exclusiveMinimum": rule.above, "maximum": rule.most}
        found |= {name: bound for name, bound in bounds.items() if bound is not None}
    if kind in (str, Path) and rule.pattern is not None:
        found["pattern"] = _whole(rule.pattern)
    if kind is Path:
        found["minLength"] = 1
    return found


def _whole(pattern: str) -> str:
    return f"^(?:{pattern})$"
