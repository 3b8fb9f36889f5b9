"""What is to be known of a graph before the toolkit is started: what it cannot build, and what will not run well.

Each finding was seen on rknn-toolkit2 2.3.2; its test builds a graph that has it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from yolorknn.errors import BuildError
from yolorknn.model.platforms import Dtype

HALF = 65504.0
"""The largest number of float16."""
ON_CPU = frozenset({
    "Acos", "Acosh", "ArgMax", "ArgMin", "Asin", "Asinh", "Atan", "Atanh", "Ceil", "Celu", "Cos", "Cosh", "Det",
    "Equal", "Expand", "Floor", "GatherND", "Greater", "GreaterOrEqual", "GridSample", "IsInf", "IsNaN", "LRN",
    "Less", "LessOrEqual", "LogSoftmax", "LpPool", "Mean", "Min", "Mod", "OneHot", "ReduceL1", "ReduceLogSum",
    "ReduceLogSumExp", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceSumSquare", "Round", "ScatterElements",
    "ScatterND", "Selu", "Sign", "Sin", "Sinh", "Softsign", "SpaceToDepth", "Tan", "TopK", "Trilu",
})  # fmt: skip
"""Operators for which the compiler has no NPU code, on rk3588 in fp16, at the shapes that were tried. Others (Erf, Exp,
Log, Mish, Pow) are left out: it fuses them where they are part of a GELU, Softplus or norm."""
WEIGHTED = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})


def check_graph(model: Any, file: Path) -> None:
    """Refuse what the toolkit would crash on, or fail of with words that do not say why.

    Args:
        model: onnx.ModelProto.
        file: of it, for messages.

    Raises:
        BuildError: it has such an operator.
    """
    for node in model.graph.node:
        why = ""
        if node.op_type == "NonZero":
            why = "gives as many values as it finds: leave it to the program behind the model"
        elif node.op_type == "Resize" and any(entry.name == "mode" and entry.s == b"cubic" for entry in node.attribute):
            why = "with mode cubic ends the toolkit with a segmentation fault: resize with mode linear"
        if why:
            raise BuildError(f"{file} cannot be built: {node.op_type} {node.name or node.output[0]} {why}")


def findings(model: Any, dtype: Dtype) -> Iterator[str]:
    """Return what will not run well, a sentence each.

    Args:
        model: onnx.ModelProto.
        dtype: to be built.
    """
    from onnx import TensorProto

    constants = {constant.name: constant for constant in model.graph.initializer}
    computed = list(_computed(model.graph, constants.keys()))
    fallen = sorted({node.op_type for node in computed} & ON_CPU)
    if fallen:
        yield (
            f"{', '.join(fallen)} will run on the CPU, for which the NPU waits: the compiler has no NPU code for it, "
            "another operator in its place may have; 'yolorknn analyze' shows each"
        )
    whole = [
        tensor.name
        for tensor in model.graph.input
        if tensor.type.tensor_type.elem_type == TensorProto.INT64 and tensor.name not in constants
    ]
    if whole:
        yield f"input {', '.join(whole)} is int64, in which the NPU does not compute: what takes it runs on the CPU"
    if dtype == "fp16":
        for node in computed:
            for name in node.input:
                if node.op_type in WEIGHTED and name in constants and (most := _largest(constants[name])) > HALF:
                    yield (
                        f"weights {name} of {node.op_type} {node.name or node.output[0]} go up to {most:g}, and "
                        f"float16 ends at {HALF:g}: its outputs will be infinite; scale the weights, or build i8"
                    )


def _computed(graph: Any, constants: Any) -> Iterator[Any]:
    """Return the nodes that are computed on each run: those that an input leads to, but by its shape alone."""
    leading = {tensor.name for tensor in graph.input} - set(constants)
    for node in graph.node:
        if node.op_type not in ("Shape", "Size") and not leading.isdisjoint(node.input):
            leading.update(node.output)
            yield node


def _largest(constant: Any) -> float:
    import numpy as np
    from onnx import numpy_helper

    values = np.abs(numpy_helper.to_array(constant))
    return float(values.max(initial=0.0, where=np.isfinite(values)))
