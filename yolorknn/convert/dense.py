"""Layers of a dense network, written as an ONNX whose every layer runs on the NPU."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from yolorknn.errors import MissingDependencyError
from yolorknn.files import write_bytes
from yolorknn.model.values import sigmoid

Activation = Literal["identity", "relu", "tanh", "logistic"]
"""As scikit-learn names them."""
ACTIVATIONS: tuple[Activation, ...] = get_args(Activation)
_OPERATORS = {"relu": "Relu", "tanh": "Tanh", "logistic": "Sigmoid"}
INPUT, OUTPUT = "x", "y"
OPSET = 17
"""Of ONNX: old enough for every toolkit, which refuses those above 19."""


@dataclass(frozen=True)
class Dense:
    """activation(weights @ x + bias)."""

    weights: NDArray[np.float32]
    """(outputs, inputs)."""
    bias: NDArray[np.float32]
    """(outputs,)."""
    activation: Activation = "identity"

    def __call__(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the layer's values, (N, outputs), of (N, inputs)."""
        values: NDArray[np.float32] = rows @ self.weights.T + self.bias
        if self.activation == "relu":
            return np.maximum(values, 0)
        if self.activation == "tanh":
            return np.tanh(values)
        return sigmoid(values) if self.activation == "logistic" else values


def write(layers: Sequence[Dense], path: Path) -> None:
    """Write the chain as 1x1 convolutions over (1, inputs, 1, any), samples along the width.

    So the toolkit needs neither Reshape nor Transpose, which would run on the CPU.

    Args:
        layers: each takes as many values as the one before gives.
        path: of the ONNX; its input is "x", its output "y".

    Raises:
        MissingDependencyError: onnx is not installed.
        OutputError: it cannot be written.
    """
    try:
        import onnx
        from onnx import TensorProto, helper, numpy_helper
    except ImportError as exc:
        raise MissingDependencyError("onnx", "onnx", "writing a model") from exc
    nodes, constants, name = [], [], INPUT
    for number, layer in enumerate(layers, 1):
        last = number == len(layers)
        made = OUTPUT if last and layer.activation == "identity" else f"layer{number}"
        constants += [
            numpy_helper.from_array(np.ascontiguousarray(layer.weights[:, :, None, None]), f"weights{number}"),
            numpy_helper.from_array(np.ascontiguousarray(layer.bias), f"bias{number}"),
        ]
        nodes.append(helper.make_node("Conv", [name, f"weights{number}", f"bias{number}"], [made], made))
        name = made
        if layer.activation != "identity":
            made = OUTPUT if last else f"{layer.activation}{number}"
            nodes.append(helper.make_node(_OPERATORS[layer.activation], [name], [made], made))
            name = made
    graph = helper.make_graph(
        nodes,
        "dense",
        [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, [1, layers[0].weights.shape[1], 1, "rows"])],
        [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, [1, layers[-1].weights.shape[0], 1, "rows"])],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
    onnx.checker.check_model(model)
    write_bytes(path, model.SerializeToString())
