"""Where values go in an ONNX graph: which tensors hold the same ones, and which lead to some outputs alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

MOVING = frozenset({"Split", "Slice", "Reshape", "Transpose", "MaxPool", "Resize"})
"""Ops whose outputs hold values of their input."""
WIDE = 0.5
"""Of a Concat's inputs, those of at least this share of its width get its range: it costs them one bit at most."""


def alike(nodes: Iterable[Any], width: Mapping[str, float]) -> tuple[frozenset[str], ...]:
    """Return the groups of tensors between which MOVING ops and Concats only move values.

    Args:
        nodes: of an ONNX graph.
        width: of the tensors that can be in one, how wide their values' range is.
    """
    group = {name: {name} for name in width}
    for node in nodes:
        pairs = [(node.input[0], name) for name in node.output] if node.op_type in MOVING else []
        if node.op_type == "Concat" and (whole := node.output[0]) in width:
            pairs = [(name, whole) for name in node.input if width.get(name, 0) >= WIDE * width[whole]]
        for one, other in pairs:
            if one in group and other in group:
                group[one] |= group[other]
                group.update(dict.fromkeys(group[one], group[one]))
    return tuple({frozenset(names): None for names in group.values() if len(names) > 1})


def leading_to(some: Iterable[str], nodes: Sequence[Any], outputs: frozenset[str]) -> frozenset[str]:
    """Return the tensors from which these outputs are computed, and no others."""
    chosen = set(some)
    leading, elsewhere = set(chosen), set(outputs - chosen)
    for node in reversed(nodes):
        for names in (leading, elsewhere):
            if not names.isdisjoint(node.output):
                names.update(node.input)
    return frozenset(leading - elsewhere - chosen)
