"""What the graph of an .onnx shows: its outputs, also where they are left open, and what it does to its picture."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
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


def put_in_order(model: Any) -> bool:
    """Put each node of an onnx.ModelProto behind those whose outputs it takes, in place; return whether one was not.

    onnxruntime's float16 converter, which ultralytics calls for half=True, puts its Casts behind all others, which ONNX
    forbids and onnxruntime takes.
    """
    nodes = list(model.graph.node)
    maker = {name: number for number, node in enumerate(nodes) for name in node.output if name}
    needed = [{maker[name] for name in _taken(node) if name in maker} for node in nodes]
    if all(max(some, default=-1) < number for number, some in enumerate(needed)):
        return False
    try:
        order = list(TopologicalSorter(dict(enumerate(needed))).static_order())
    except CycleError:  # which onnx tells
        return False
    ordered = type(model.graph)(node=[nodes[number] for number in order])  # copies, as the others go
    del model.graph.node[:]
    model.graph.node.extend(ordered.node)
    return True


def _taken(node: Any) -> Iterator[str]:
    """Yield the tensors that a node takes, those of the graphs in it too."""
    yield from node.input
    for attribute in node.attribute:
        for graph in [attribute.g, *attribute.graphs]:
            for inner in graph.node:
                yield from _taken(inner)


def fix_batch(model: Any) -> bool:
    """Make an onnx.ModelProto whose first axis alone is dynamic one of batch 1, in place; return whether it was so."""
    infos = [info for info in [*model.graph.input, *model.graph.output] if info.type.tensor_type.shape.dim]
    inputs = [_sides(info) for info in model.graph.input if info.type.tensor_type.shape.dim]
    if not any(shape[0] == 0 for shape in inputs) or any(0 in shape[1:] for shape in inputs):
        return False
    for info in infos:
        first = info.type.tensor_type.shape.dim[0]
        first.dim_value = first.dim_value or 1
    del model.graph.value_info[:]
    return True


def close_outputs(model: Any, infer: Callable[[Any], Any]) -> None:
    """Say in place what outputs are of which an onnx.ModelProto does not, where its inputs' shapes are known.

    Args:
        model: the model.
        infer: of onnx, returns a model with the shapes that follow.
    """
    unknown = [_is_open(info.type) for info in model.graph.output]
    if not any(unknown) or any(0 in _sides(info) for info in model.graph.input):
        return
    closed = type(model)()
    closed.CopyFrom(model)
    for info, is_unknown in zip(closed.graph.output, unknown, strict=True):
        if is_unknown:
            info.type.tensor_type.ClearField("shape")
    try:
        inferred = infer(closed)
    except (RuntimeError, *FAILURES):  # what is wrong with the model is told elsewhere
        return
    for info, known, is_unknown in zip(model.graph.output, inferred.graph.output, unknown, strict=True):
        if is_unknown and known.type.tensor_type.HasField("shape"):
            info.type.CopyFrom(known.type)


def _is_open(stated: Any) -> bool:
    """Return whether a type is none, or that of a tensor with sides of any length."""
    kind = stated.tensor_type
    return stated.WhichOneof("value") in (None, "tensor_type") and (not kind.HasField("shape") or 0 in _dims(kind))


def _sides(info: Any) -> list[int]:
    return _dims(info.type.tensor_type)


def _dims(kind: Any) -> list[int]:
    return [side.dim_value for side in kind.shape.dim]
