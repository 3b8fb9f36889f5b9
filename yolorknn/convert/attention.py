"""Where a model's attention begins and ends, as hybrid quantization wants to know it."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def attention_blocks(onnx: Path) -> tuple[tuple[str, str], ...]:
    """Return for each attention of an ONNX the tensor that its first Conv takes, and what its last Conv gives.

    It is a Softmax between two MatMuls: of queries and keys, and with the values; that of a DFL is none.
    """
    import onnx as onnx_package

    nodes = onnx_package.load(str(onnx)).graph.node
    makers = {name: [node] for node in nodes for name in node.output}
    users: dict[str, list[Any]] = {}
    for node in nodes:
        for name in node.input:
            users.setdefault(name, []).append(node)
    blocks = []
    for node in nodes:
        if node.op_type.removeprefix("cst") != "Softmax":
            continue
        before, ours = _until_conv(list(node.input), makers, "input")
        after, theirs = _until_conv(list(node.output), users, "output")
        if ours and theirs and before and after:
            blocks.append((before[0].input[0], after[0].output[0]))
    return tuple(blocks)


def _until_conv(names: list[str], neighbours: dict[str, list[Any]], onward: str) -> tuple[list[Any], bool]:
    """Return the first Convs on all ways from tensors on, and whether a MatMul lies on one."""
    convs, multiplied, passed = [], False, set()
    while names:
        for node in neighbours.get(names.pop(), []):
            if node.op_type == "Conv":
                convs.append(node)
            elif node.op_type != "Constant" and node.output[0] not in passed:
                passed.add(node.output[0])
                multiplied |= node.op_type == "MatMul"
                names += getattr(node, onward)
    return convs, multiplied
