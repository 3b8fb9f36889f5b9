"""Where a model's attention is: a Softmax that a MatMul of queries and keys feeds."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def is_of_attention(softmax: Any, producers: dict[str, Any]) -> bool:
    """Return whether a MatMul, perhaps scaled, feeds it; a DFL's Softmax is fed by a Transpose."""
    node = producers.get(softmax.input[0])
    while node is not None and node.op_type in ("Mul", "Div"):
        node = producers.get(node.input[0])
    return node is not None and node.op_type == "MatMul"


def attention_blocks(model: Path) -> tuple[tuple[str, str], ...]:
    """Return for each attention of an ONNX the tensor that its first Conv takes, and what its last Conv gives."""
    import onnx

    nodes = onnx.load(str(model)).graph.node
    producers = {name: node for node in nodes for name in node.output}
    makers = {name: [node] for name, node in producers.items()}
    users: dict[str, list[Any]] = {}
    for node in nodes:
        for name in node.input:
            users.setdefault(name, []).append(node)
    blocks = []
    for node in nodes:
        if node.op_type.removeprefix("cst") == "Softmax" and is_of_attention(node, producers):
            first, last = _convs(list(node.input), makers, "input"), _convs(list(node.output), users, "output")
            if first and last:
                blocks.append((first[0].input[0], last[0].output[0]))
    return tuple(blocks)


def _convs(names: list[str], neighbours: dict[str, list[Any]], onward: str) -> list[Any]:
    """Return the first Convs on all ways from tensors on."""
    convs, passed = [], set()
    while names:
        for node in neighbours.get(names.pop(), []):
            if node.op_type == "Conv":
                convs.append(node)
            elif node.op_type != "Constant" and node.output[0] not in passed:
                passed.add(node.output[0])
                names += getattr(node, onward)
    return convs
