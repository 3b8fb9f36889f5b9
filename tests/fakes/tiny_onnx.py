"""Models that are no detectors, as small as can be, made without torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_RNG = np.random.default_rng(5)
IMAGE = _RNG.normal(size=(1, 3, 4, 6)).astype(np.float32)
VECTOR = _RNG.normal(size=(1, 5)).astype(np.float32)
"""Inputs of two_inputs()."""


def computed(path: Path, arrays: dict[str, Any]) -> dict[str, NDArray[Any]]:
    """Return what onnxruntime itself says."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, arrays), strict=True))


def _save(
    path: Path, nodes: list[Any], inputs: list[Any], outputs: list[Any], weights: dict[str, Any], *, opset: int = 17
) -> Path:
    import onnx
    from onnx import helper, numpy_helper

    constants = [numpy_helper.from_array(value, name) for name, value in weights.items()]
    graph = helper.make_graph(nodes, "tiny", inputs, outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))
    return path


Node = tuple[str, list[str], str, dict[str, Any]]
"""Operator, inputs, output, attributes."""


def of_nodes(
    path: Path,
    nodes: Sequence[Node],
    inputs: dict[str, tuple[int, ...]],
    outputs: dict[str, tuple[int, ...]],
    weights: dict[str, Any],
    *,
    opset: int = 17,
    also: Sequence[str] = (),
    kinds: Mapping[str, int] | None = None,
) -> Path:
    """Write a model of any nodes, of floats but for the outputs in `kinds`; a TopK gives `also` too."""
    from onnx import helper

    made = [
        helper.make_node(op, taken, [given, *(also if op == "TopK" else ())], **attributes)
        for op, taken, given, attributes in nodes
    ]
    kinds = kinds or {}
    return _save(
        path,
        made,
        [helper.make_tensor_value_info(name, 1, sides) for name, sides in inputs.items()],
        [helper.make_tensor_value_info(name, kinds.get(name, 1), sides) for name, sides in outputs.items()],
        weights,
        opset=opset,
    )


def two_inputs(path: Path) -> Path:
    """Write a model of "image" (1, 3, 4, 6) and "a/b" (1, 5) that gives "y" (1, 6), and "top" (1,) of it, int64."""
    from onnx import TensorProto, helper

    rng = np.random.default_rng(0)
    nodes = [
        helper.make_node("GlobalAveragePool", ["image"], ["mean"]),
        helper.make_node("Flatten", ["mean"], ["flat"]),
        helper.make_node("Concat", ["flat", "a/b"], ["all"], axis=1),
        helper.make_node("Gemm", ["all", "w", "bias"], ["y"]),
        helper.make_node("ArgMax", ["y"], ["top"], axis=1, keepdims=0),
    ]
    floats = TensorProto.FLOAT
    return _save(
        path,
        nodes,
        [
            helper.make_tensor_value_info("image", floats, [1, 3, 4, 6]),
            helper.make_tensor_value_info("a/b", floats, [1, 5]),
        ],
        [
            helper.make_tensor_value_info("y", floats, [1, 6]),
            helper.make_tensor_value_info("top", TensorProto.INT64, [1]),
        ],
        {"w": rng.normal(size=(8, 6)).astype(np.float32), "bias": rng.normal(size=6).astype(np.float32)},
    )


def embedding(path: Path, *, length: int | str = 7) -> Path:
    """Write a model of int64 "ids" (1, length), each below 10, that gives "y" (1, length, 4); a text: of any length."""
    from onnx import TensorProto, helper

    table = np.random.default_rng(1).normal(size=(10, 4)).astype(np.float32)
    return _save(
        path,
        [helper.make_node("Gather", ["table", "ids"], ["y"])],
        [helper.make_tensor_value_info("ids", TensorProto.INT64, [1, length])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, length, 4])],
        {"table": table},
    )


def cast(path: Path, kind: str) -> Path:
    """An input of a type, which is cast to floats."""
    from onnx import TensorProto, helper

    sides = [
        helper.make_tensor_value_info(name, getattr(TensorProto, of), (1, 4))
        for name, of in (("x", kind), ("y", "FLOAT"))
    ]
    return _save(path, [helper.make_node("Cast", ["x"], ["y"], to=TensorProto.FLOAT)], sides[:1], sides[1:], {})


def picture_net(path: Path, *, size: int = 32) -> Path:
    """Write a model of "image" (1, 3, size, size) that gives "logits" (1, 10): two convolutions, pooling, Gemm."""
    from onnx import TensorProto, helper

    rng = np.random.default_rng(2)
    nodes = [
        helper.make_node("Conv", ["image", "w1"], ["c1"], name="first", pads=[1] * 4, strides=[2, 2]),
        helper.make_node("Relu", ["c1"], ["r1"]),
        helper.make_node("Conv", ["r1", "w2"], ["c2"], name="second", pads=[1] * 4, strides=[2, 2]),
        helper.make_node("Relu", ["c2"], ["r2"]),
        helper.make_node("GlobalAveragePool", ["r2"], ["mean"]),
        helper.make_node("Flatten", ["mean"], ["flat"]),
        helper.make_node("Gemm", ["flat", "w3"], ["logits"]),
    ]
    weights = {"w1": (8, 3, 3, 3), "w2": (16, 8, 3, 3), "w3": (16, 10)}
    return _save(
        path,
        nodes,
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, size, size])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, 10])],
        {name: rng.normal(size=shape).astype(np.float32) / 3 for name, shape in weights.items()},
    )


def blunt_net(path: Path) -> Path:
    """Write a model of "image" (1, 3, 16, 16) whose second convolution int8 makes nothing of; in float all is well.

    Each of its kernels has a weight a thousand times as large as the others, for a channel that is always 0: with one
    scale a kernel, the others round to 0.
    """
    from onnx import TensorProto, helper

    rng = np.random.default_rng(3)
    weights = {
        "w1": rng.normal(size=(8, 3, 3, 3)).astype(np.float32) / 3,
        "w2": rng.normal(size=(8, 8, 3, 3)).astype(np.float32) / 5,
        "w3": rng.normal(size=(8, 8, 3, 3)).astype(np.float32) / 5,
    }
    weights["w1"][0] = 0
    weights["w2"][:, 0] = 1000
    nodes: list[Any] = []
    last = "image"
    for number, name in enumerate(("first", "second", "third"), 1):
        nodes.append(helper.make_node("Conv", [last, f"w{number}"], [f"{name}_sum"], name=name, pads=[1] * 4))
        last = f"{name}_out" if number < 3 else "y"
        nodes.append(helper.make_node("Tanh", [f"{name}_sum"], [last]))
    return _save(
        path,
        nodes,
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, 16, 16])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 8, 16, 16])],
        weights,
    )


def anchored_net(path: Path) -> Path:
    """Write a detector of two classes with YOLOv5's head, of opset 12, without metadata: "images" (1, 3, 64, 96)."""
    from onnx import TensorProto, helper

    nodes, outputs, weights = [], [], {}
    for stride in (8, 16, 32):
        nodes += [
            helper.make_node("Conv", ["images", f"w{stride}"], [f"raw{stride}"], strides=[stride] * 2),
            helper.make_node("Sigmoid", [f"raw{stride}"], [f"found{stride}"]),
        ]
        sides = [1, 3 * (5 + 2), 64 // stride, 96 // stride]
        outputs.append(helper.make_tensor_value_info(f"found{stride}", TensorProto.FLOAT, sides))
        weights[f"w{stride}"] = np.full((sides[1], 3, stride, stride), 0.01, np.float32)
    images = helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, 64, 96])
    return _save(path, nodes, [images], outputs, weights, opset=12)


def swish_net(path: Path, *, custom: bool) -> Path:
    """Write a model of "x" (1, 4, 6, 5) that gives "y", two convolutions with x * sigmoid(1.5 x) between them.

    Args:
        path: of the .onnx.
        custom: whether that is the op cstSwish with an attribute beta; else it is of ONNX's own.
    """
    import onnx
    from onnx import TensorProto, helper

    rng = np.random.default_rng(4)
    weights = {name: rng.normal(size=(4, 4, 1, 1)).astype(np.float32) for name in ("w1", "w2")}
    own = [
        helper.make_node("Mul", ["c", "beta"], ["m"]),
        helper.make_node("Sigmoid", ["m"], ["s"]),
        helper.make_node("Mul", ["c", "s"], ["g"]),
    ]
    _save(
        path,
        [
            helper.make_node("Conv", ["x", "w1"], ["c"], "first"),
            *own,
            helper.make_node("Conv", ["g", "w2"], ["y"], "last"),
        ],
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 4, 6, 5])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 4, 6, 5])],
        {**weights, "beta": np.array([1.5], np.float32)},
    )
    if custom:
        model = onnx.load(str(path))
        first, *_, last = model.graph.node
        made = helper.make_node("cstSwish", ["c"], ["g"], "swish", beta=1.5)
        nodes = [onnx.NodeProto.FromString(node.SerializeToString()) for node in (first, made, last)]
        del model.graph.node[:]
        model.graph.node.extend(nodes)
        onnx.save(model, str(path))
    return path


SWISH = """import numpy as np
from rknn.api.custom_op import get_node_attr


class Swish:
    op_type = "cstSwish"

    def shape_infer(self, node, in_shapes, in_dtypes):
        return in_shapes.copy(), in_dtypes.copy()

    def compute(self, node, inputs):
        (x,) = inputs
        return [x / (1 + np.exp(-np.float64(get_node_attr(node, "beta")) * x))]
"""
"""The file of a class for it."""
