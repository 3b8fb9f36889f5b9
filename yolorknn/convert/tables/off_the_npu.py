"""Why operators run on the CPU: what the compiler said, and what is known of each kind. No board was asked."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from yolorknn.convert.tables.layers import Layer, said_lines

COMPUTED = ("INT4", "INT8", "INT16", "FLOAT16", "BFLOAT16", "FLOAT8")
"""Types that the NPU computes in, as the table names them."""
MOVING = {
    "Reshape": "it moves channels to another axis, which the NPU keeps in blocks of 8 or 16; at an output, leave the "
    "axes of length 1",
    "Transpose": "it moves channels to another axis, which the NPU keeps in blocks of 8 or 16",
    "Gather": "it picks rows by number, which takes the CPU one read each",
}
_SAID = re.compile(r"No lowering found for: .*|.*fallback to cpu.*", re.IGNORECASE)
MOST_SAID = 20


@dataclass(frozen=True)
class OnCpu:
    """An operator of the model that the NPU waits for."""

    op: str
    dtype: str
    name: str
    why: str
    """What is likely the cause."""


def on_cpu(layers: Sequence[Layer], platform: str) -> list[OnCpu]:
    """Return the operators that fall to the CPU, each with the likely cause."""
    return [OnCpu(layer.op, layer.dtype, layer.name, _why(layer, platform)) for layer in layers if layer.fallback]


def _why(layer: Layer, platform: str) -> str:
    kind = layer.op.removeprefix("ex").rstrip("0123456789")
    if layer.dtype.upper() not in COMPUTED:
        return f"it computes in {layer.dtype}, which the NPU does not"
    if kind in MOVING:
        return MOVING[kind]
    if kind == "Softmax":
        return f"the NPU of {platform} has no Softmax of this shape"
    return "the compiler has no NPU code for it, or not at this shape: another operator in its place may have"


def compiler_said(log: str) -> list[str]:
    """Return what the compiler printed of operators that it gives to the CPU."""
    return list(dict.fromkeys(line[:200] for line in said_lines(log) if _SAID.fullmatch(line)))[:MOST_SAID]
