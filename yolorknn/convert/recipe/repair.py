"""What a graph needs changed that rules of rknn-toolkit2's own crash on; none changes what it computes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

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


def repair_norms(model: Any) -> bool:
    """Write defaults of LayerNormalization out, in place, which 2.3.2 does not know; return whether any was missing."""
    from onnx import helper

    missing = [
        (node, name, value)
        for node in model.graph.node
        for name, value in (("axis", -1), ("epsilon", 1e-5))
        if node.op_type == "LayerNormalization" and name not in {entry.name for entry in node.attribute}
    ]
    for node, name, value in missing:
        node.attribute.append(helper.make_attribute(name, value))
    return bool(missing)


def repair_means(model: Any) -> bool:
    """Make each ReduceMean over height and width that drops these axes keep them, and a Flatten drop them, in place.

    2.3.2 pools in its place, which keeps the axes, and fails of what comes behind ("Invalid rank for input"); an output
    of the model would have them too.

    Returns:
        Whether there was any.
    """
    import onnx

    found = [
        node
        for node in model.graph.node
        if node.op_type == "ReduceMean" and _axes(node, model) in ({2, 3}, {-1, -2})
        if any(entry.name == "keepdims" and entry.i == 0 for entry in node.attribute)
    ]
    if not found:
        return False
    inferred = onnx.shape_inference.infer_shapes(model).graph
    ranks = {info.name: len(info.type.tensor_type.shape.dim) for info in [*inferred.value_info, *inferred.input]}
    changed = [node for node in found if ranks.get(node.input[0]) == 4]
    for node in changed:
        next(entry for entry in node.attribute if entry.name == "keepdims").i = 1
        dropped, kept = node.output[0], f"{node.output[0]}_kept"
        node.output[0] = kept
        flatten = onnx.helper.make_node("Flatten", [kept], [dropped], name=f"{node.name or dropped}_flatten")
        model.graph.node.insert(list(model.graph.node).index(node) + 1, flatten)
    return bool(changed)


def _axes(node: Any, model: Any) -> set[int]:
    """Return the axes that a node is over, an attribute or, from opset 18 on, a constant."""
    from onnx import numpy_helper

    stated = next((entry.ints for entry in node.attribute if entry.name == "axes"), None)
    if stated is None and len(node.input) > 1:
        constants = (numpy_helper.to_array(entry) for entry in model.graph.initializer if entry.name == node.input[1])
        stated = next((array.tolist() for array in constants), ())
    return set(stated or ())
