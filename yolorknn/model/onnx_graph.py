"""What the graph of an .onnx shows of its outputs and of what it does to its picture."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from yolorknn.model.evidence import Evidence, Node
from yolorknn.model.fields import FAILURES

SHORT = 16
"""Numbers of a constant that may be a scale, a mean or the steps of a Slice."""


def evidence_of(model: Any, properties: Mapping[str, str], to_array: Callable[[Any], Any]) -> Evidence:
    """Return what an onnx.ModelProto shows, whose weights may be elsewhere.

    Args:
        model: the model.
        properties: its metadata_props.
        to_array: of onnx, makes a tensor an array.
    """
    nodes: dict[str, Node] = {}
    for node in model.graph.node:
        axis = next((attribute.i for attribute in node.attribute if attribute.name == "axis"), None)
        nodes |= dict.fromkeys(node.output, Node(node.op_type, tuple(node.input), axis))
    shown = {name: node for name, node in nodes.items() if node.op != "Constant"}
    return Evidence(shown, properties, constants=dict(_constants(model, to_array)))


def _constants(model: Any, to_array: Callable[[Any], Any]) -> Iterator[tuple[str, tuple[float, ...]]]:
    tensors = [(tensor.name, tensor) for tensor in model.graph.initializer]
    for node in model.graph.node:
        if node.op_type == "Constant":
            tensors += [(node.output[0], entry.t) for entry in node.attribute if entry.name == "value"]
            yield from ((node.output[0], (entry.f,)) for entry in node.attribute if entry.name == "value_float")
    for name, tensor in tensors:
        try:
            if sum(tensor.dims) <= SHORT + len(tensor.dims) and not tensor.external_data:
                values = to_array(tensor).ravel()
                yield name, tuple(map(float, values)) if values.size <= SHORT else ()
        except FAILURES:  # of a type that numpy has not, or damaged: no scale
            continue
