"""A JSON Schema checked without a package for it: the words that ours has, and no others."""

from __future__ import annotations

from typing import Any

TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
}
KNOWN = {
    *("$schema", "$defs", "$ref", "title", "description", "type", "required", "properties", "additionalProperties"),
    *("items", "minItems", "maxItems", "minimum", "maximum", "enum", "const", "oneOf"),
}


def faults(value: Any, schema: dict[str, Any], root: dict[str, Any], where: str = "line") -> list[str]:
    """Return what of a value is not as the schema says, and which of its keys the schema does not know."""
    assert set(schema) <= KNOWN, set(schema) - KNOWN
    if "$ref" in schema:
        return faults(value, root["$defs"][schema["$ref"].rpartition("/")[2]], root, where)
    found = []
    if "type" in schema and (not isinstance(value, TYPES[schema["type"]]) or isinstance(value, bool)):
        return [f"{where} is no {schema['type']}"]
    if ("const" in schema and value != schema["const"]) or ("enum" in schema and value not in schema["enum"]):
        found.append(f"{where} is {value}")
    if isinstance(value, (int, float)) and not schema.get("minimum", value) <= value <= schema.get("maximum", value):
        found.append(f"{where} is {value}")
    if isinstance(value, dict):
        found += [f"{where} has no {key}" for key in schema.get("required", []) if key not in value]
        for key, entry in value.items():
            own = schema.get("properties", {}).get(key, schema.get("additionalProperties"))
            found += faults(entry, own, root, f"{where}.{key}") if own else [f"{where}.{key} is not described"]
        if "oneOf" in schema and sum(all(key in value for key in way["required"]) for way in schema["oneOf"]) != 1:
            found.append(f"{where} is not one of the ways")
    if isinstance(value, list):
        if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)):
            found.append(f"{where} has {len(value)} items")
        for number, entry in enumerate(value):
            found += faults(entry, schema["items"], root, f"{where}[{number}]")
    return found
