"""cstSoftmax in an .onnx: Softmax nodes renamed to the custom op of convert/toolkit/cst_softmax.py.

Standard op types cannot be taken over, so the ONNX node is renamed; rknn-toolkit2 wants such names to begin with `cst`.
On the board the op needs a plug-in of the C runtime, plugins/cst_softmax.c; the split head of YOLOv8 has no Softmax and
needs none.
"""

from __future__ import annotations

from typing import Any

from yolorknn.convert.toolkit.cst_softmax import CstSoftmax

OP_TYPE = CstSoftmax.op_type


def rename_softmax(model: Any) -> int:
    """Rename every Softmax node of an onnx.ModelProto, in place; return how many there were."""
    nodes = [node for node in model.graph.node if node.op_type == "Softmax"]
    for node in nodes:
        node.op_type = OP_TYPE
    return len(nodes)
