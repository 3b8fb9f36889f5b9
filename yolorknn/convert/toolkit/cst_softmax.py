"""cstSoftmax: Softmax as a custom op, as rknn-toolkit2's reg_custom_op takes it.

The toolkit's process imports this file by itself, in its own Python: it needs numpy and the toolkit, nothing of ours.
"""

from typing import Any, List, Tuple

import numpy as np


def softmax(x: Any, axis: int) -> Any:
    """Return softmax along `axis`, in x's dtype."""
    weights = np.exp(x - x.max(axis=axis, keepdims=True))
    return (weights / weights.sum(axis=axis, keepdims=True)).astype(x.dtype)


class CstSoftmax:
    """Its parameter names are checked literally."""

    op_type = "cstSoftmax"

    def shape_infer(self, node: Any, in_shapes: List[Any], in_dtypes: List[Any]) -> Tuple[List[Any], List[Any]]:
        """Return shapes and dtypes of the outputs: those of the input."""
        return in_shapes.copy(), in_dtypes.copy()

    def compute(self, node: Any, inputs: List[Any]) -> List[Any]:
        """Run the op for calibration and for the simulator."""
        from rknn.api.custom_op import get_node_attr

        axis = get_node_attr(node, "axis")
        return [softmax(inputs[0], -1 if axis is None else int(axis))]
