"""cstSoftmax: Softmax as a custom op, for rknn-toolkit2's graph and its simulator.

Standard op types cannot be taken over, so the ONNX node is renamed; rknn-toolkit2 wants such names to begin with `cst`.
On the board the op needs a plug-in of the C runtime, plugins/cst_softmax.c; the split head of YOLOv8 has no Softmax and
needs none.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

OP_TYPE = "cstSoftmax"


def rename_softmax(model: Any) -> int:
    """Rename every Softmax node of an onnx.ModelProto, in place; return how many there were."""
    nodes = [node for node in model.graph.node if node.op_type == "Softmax"]
    for node in nodes:
        node.op_type = OP_TYPE
    return len(nodes)


def softmax(x: NDArray[Any], axis: int) -> NDArray[Any]:
    """Return softmax along `axis`, in x's dtype."""
    weights = np.exp(x - x.max(axis=axis, keepdims=True))
    result: NDArray[Any] = (weights / weights.sum(axis=axis, keepdims=True)).astype(x.dtype)
    return result


class CstSoftmax:
    """What rknn-toolkit2's reg_custom_op takes; it checks the parameter names literally."""

    op_type = OP_TYPE

    def shape_infer(self, node: Any, in_shapes: list[Any], in_dtypes: list[Any]) -> tuple[list[Any], list[Any]]:
        """Return shapes and dtypes of the outputs: those of the input."""
        return in_shapes.copy(), in_dtypes.copy()

    def compute(self, node: Any, inputs: list[NDArray[Any]]) -> list[NDArray[Any]]:
        """Run the op for calibration and for the simulator."""
        from rknn.api.custom_op import get_node_attr

        axis = get_node_attr(node, "axis")
        return [softmax(inputs[0], -1 if axis is None else int(axis))]
