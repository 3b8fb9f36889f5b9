"""AveragePool as the convolution that it is, for int8: what it computes has a scale of its own then.

rknn-toolkit2 gives an AveragePool its input's scale. Averages lie closer together than what they are of, and those of
values of both signs much closer, so that few of the 256 steps are left for them. A Conv has a scale for its output; the
toolkit itself makes Convs of averages over a whole map.
"""

from __future__ import annotations

from typing import Any

LARGEST = 7
"""Sides and strides up to which that is done: the NPU's convolution has limits not far above."""


def pools_to_convs(model: Any) -> bool:
    """Make Convs of the averages over parts of a map, in place; return whether there were any.

    Left as they are: those that count fewer values at the edge, and of tensors whose channels are not known.

    Args:
        model: onnx.ModelProto.
    """
    import numpy as np
    import onnx
    from onnx import helper, numpy_helper

    graph = model.graph
    if not any(node.op_type == "AveragePool" for node in graph.node):
        return False
    inferred = onnx.shape_inference.infer_shapes(model).graph
    sides = {
        info.name: [side.dim_value for side in info.type.tensor_type.shape.dim]
        for info in [*inferred.input, *inferred.value_info]
    }
    changed = False
    for number, node in enumerate(graph.node):
        stated = {entry.name: helper.get_attribute_value(entry) for entry in node.attribute}
        shape = sides.get(node.input[0], []) if node.op_type == "AveragePool" else []
        if len(shape) != 4 or not shape[1] or not _is_even(stated):
            continue
        kernel = [int(side) for side in stated["kernel_shape"]]
        name = f"{node.output[0]}_average"
        weights = np.full((shape[1], 1, *kernel), 1 / np.prod(kernel), np.float32)
        graph.initializer.append(numpy_helper.from_array(weights, name))
        kept = {key: stated[key] for key in ("strides", "pads") if key in stated}
        conv = helper.make_node("Conv", [node.input[0], name], node.output, node.name, group=shape[1], **kept)
        graph.node.remove(node)
        graph.node.insert(number, conv)
        changed = True
    return changed


def _is_even(stated: dict[str, Any]) -> bool:
    """Return whether an AveragePool of these attributes divides by one number everywhere, and is none too large."""
    padded = any(stated.get("pads", ())) and not stated.get("count_include_pad")
    odd = stated.get("ceil_mode") or stated.get("auto_pad", b"NOTSET") != b"NOTSET" or "dilations" in stated
    sides = [*stated["kernel_shape"], *stated.get("strides", ())]
    return not padded and not odd and max(sides) <= LARGEST
