"""What rknn-toolkit2 2.5.0 needs changed in a graph with attention, on which one of its own rules crashes."""

from __future__ import annotations

from pathlib import Path

from yolorknn.convert.recipe.attention import is_of_attention
from yolorknn.files import writing

EPSILON = 1e-7
"""Added before a Softmax, whose result it does not change: it moves all logits alike. The toolkit removes exact 0."""


def needs_repair(version: str) -> bool:
    """Return whether this rknn-toolkit2 has the crashing rule: 2.5.0 has, 2.3.2 has not."""
    return tuple(int(part) for part in version.split(".")[:2]) >= (2, 5)


def repair_attention(path: Path) -> None:
    """Put an Add before the Softmax of every attention in the .onnx at `path`.

    The rule that fuses MatMul, Add, Softmax and MatMul to exSDPAttention looks for an Add, the mask of other networks,
    and raises IndexError where there is none; with one, it fuses.
    """
    import numpy as np
    import onnx

    model = onnx.load(str(path))
    graph = model.graph
    producers = {name: node for node in graph.node for name in node.output}
    found = [node for node in graph.node if node.op_type == "Softmax" and is_of_attention(node, producers)]
    if not found:
        return
    name = "yolorknn_epsilon"
    graph.initializer.append(onnx.numpy_helper.from_array(np.full(1, EPSILON, np.float32), name))
    for softmax in found:
        moved = f"{softmax.input[0]}_plus_epsilon"
        add = onnx.helper.make_node("Add", [softmax.input[0], name], [moved], name=f"{softmax.name}_add")
        graph.node.insert(list(graph.node).index(softmax), add)
        softmax.input[0] = moved
    with writing(path):
        onnx.save(model, str(path))
