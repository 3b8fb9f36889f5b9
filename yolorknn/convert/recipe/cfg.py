"""The quantization.cfg of rknn-toolkit2, a YAML file: the range of each tensor, and the layers that stay in float16.

The text is kept as the toolkit wrote it, but for the numbers and lines that are ours.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence

Range = tuple[float, float]

_ENTRY = re.compile(
    r"^ {4}(?:\? (?P<far>(?:.*\n)+?) {4}: {3}|(?P<near>\S.*):\n)(?P<body>(?:(?<=: {3}).*\n)?(?: {8}.*\n)+)",
    re.MULTILINE,
)
"""A tensor's name, with a question mark before one that is long, and what is said of it."""
PARAMETERS = "quantize_parameters:\n"


def ranges_in(cfg: str) -> dict[str, Range | None]:
    """Return the range of each tensor in a quantization.cfg; None of one with a range a channel, as weights have."""
    return {name: _range(match["body"]) for name, match in _tensors(_entries(cfg))}


def put(cfg: str, ranges: Mapping[str, Range]) -> str:
    """Return the text of a quantization.cfg with these ranges.

    Only min and max: the toolkit computes scales from them, and refuses others.
    """
    entries = _entries(cfg)
    made, end = [cfg.removesuffix(entries)], 0
    for name, match in _tensors(entries):
        body = match["body"]
        for side, value in zip(("min", "max"), ranges.get(name, ()), strict=False):
            body = re.sub(rf"(?m)^( {{8}}{side}:\n {{8}}- +)\S+$", rf"\g<1>{value!r}", body)
        made += [entries[end : match.start("body")], body]
        end = match.end()
    return "".join([*made, entries[end:]])


def with_float16(cfg: str, tensors: Sequence[str]) -> str:
    """Return the text of a quantization.cfg with tensors, which are in it, among the layers in float16."""
    if not tensors:
        return cfg
    layers, _, parameters = cfg.partition(PARAMETERS)
    layers = layers.replace("custom_quantize_layers: {}", "custom_quantize_layers:")
    for name in tensors:
        key = name if re.search(rf"(?m)^ {{4}}{re.escape(name)}:$", parameters) else json.dumps(name)
        layers += f"    {key}: float16\n" if f" {key}:" not in layers else ""
    return f"{layers}{PARAMETERS}{parameters}"


def _tensors(entries: str) -> Iterator[tuple[str, re.Match[str]]]:
    for match in _ENTRY.finditer(entries):
        yield _name(match["near"] or match["far"].rstrip("\n")), match


def _name(text: str) -> str:
    """Return a tensor's name, which is quoted where YAML would take it for a number or for more than a text."""
    if text[0] not in "'\"" and "\n" not in text:
        return text
    import yaml

    return str(yaml.load(text, Loader=yaml.BaseLoader))


def _entries(cfg: str) -> str:
    return cfg.partition(PARAMETERS)[2]


def _range(body: str) -> Range | None:
    """Return min and max of a tensor with one range for all channels."""
    ends = [re.findall(rf"(?m)^ {{8}}{end}:\n {{8}}- +(\S+)\n(?! {{8}}-)", body) for end in ("min", "max")]
    return (float(ends[0][0]), float(ends[1][0])) if all(len(end) == 1 for end in ends) else None
