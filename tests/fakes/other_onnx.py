"""An .onnx as others write it: float16, newer, of any batch, with open outputs, quantized, weights beside it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper, version_converter

from tests.conftest import DATASET
from yolorknn import Detector

IMAGE = DATASET / "images/0000.jpg"
Change = Callable[[onnx.ModelProto], onnx.ModelProto]


def half(model: onnx.ModelProto) -> onnx.ModelProto:
    for tensor in model.graph.initializer:
        if tensor.data_type == TensorProto.FLOAT:
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float16), tensor.name))
    scales = {name for node in model.graph.node if node.op_type == "Resize" for name in node.input[1:]}
    for node in model.graph.node:
        for attribute in node.attribute if not scales & {*node.output} else ():
            if attribute.HasField("t") and attribute.t.data_type == TensorProto.FLOAT:
                attribute.t.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(attribute.t).astype(np.float16)))
    for info in [*model.graph.input, *model.graph.output, *model.graph.value_info]:
        info.type.tensor_type.elem_type = TensorProto.FLOAT16
    return model


def newer(model: onnx.ModelProto) -> onnx.ModelProto:
    return version_converter.convert_version(model, 21)


def any_batch(model: onnx.ModelProto) -> onnx.ModelProto:
    for info in [*model.graph.input, *model.graph.output]:
        info.type.tensor_type.shape.dim[0].dim_param = "batch"
    return model


def open_outputs(model: onnx.ModelProto) -> onnx.ModelProto:
    for info in any_batch(model).graph.output:
        info.type.tensor_type.shape.dim[2].dim_param = f"{info.name}_height"
    return model


def out_of_order(model: onnx.ModelProto) -> onnx.ModelProto:
    """A Cast of its input, and its first node, behind all others, as onnxruntime's float16 converter leaves them."""
    graph = model.graph
    nodes = [*graph.node]
    image = graph.input[0].name
    for node in nodes:
        node.input[:] = ["cast" if name == image else name for name in node.input]
    del graph.node[:]
    graph.node.extend([*nodes[1:], nodes[0], helper.make_node("Cast", [image], ["cast"], to=TensorProto.FLOAT)])
    return model


def quantized(model: onnx.ModelProto) -> onnx.ModelProto:
    """A pair of Q and DQ before every Conv, with a rough range, and behind every output."""
    model = version_converter.convert_version(model, 13)
    graph = model.graph
    scale = numpy_helper.from_array(np.float32(0.1), "scale")
    fine = numpy_helper.from_array(np.float32(1 / 255), "fine")
    graph.initializer.extend([scale, fine, numpy_helper.from_array(np.int8(0), "zero")])
    graph.initializer.append(numpy_helper.from_array(np.int8(-128), "least"))
    nodes = list(graph.node)
    del graph.node[:]
    paired: set[str] = set()

    def pair(name: str, target: str, *how: str) -> None:
        graph.node.append(helper.make_node("QuantizeLinear", [name, *how], [f"{target}_q"]))
        graph.node.append(helper.make_node("DequantizeLinear", [f"{target}_q", *how], [target]))

    outputs = {output.name for output in graph.output}
    for node in nodes:
        if node.op_type == "Conv":
            name = node.input[0]
            if name not in paired:
                pair(name, f"{name}_dq", "scale", "zero")
            paired.add(name)
            node.input[0] = f"{name}_dq"
        ends = [name for name in node.output if name in outputs]
        for name in ends:
            node.output[list(node.output).index(name)] = f"{name}_raw"
        graph.node.append(node)
        for name in ends:
            pair(f"{name}_raw", name, *(("fine", "least") if name.startswith("cls") else ("scale", "zero")))
    return model


CHANGES: dict[str, Change] = {
    "half": half,
    "newer": newer,
    "any batch": any_batch,
    "open outputs": open_outputs,
    "out of order": out_of_order,
}


def changed(plain: Path, folder: Path, change: Change) -> Path:
    onnx.save(change(onnx.load(str(plain))), str(folder / "other.onnx"))
    return folder / "other.onnx"


def external(plain: Path, folder: Path) -> Path:
    path = folder / "other.onnx"
    onnx.save_model(
        onnx.load(str(plain)), str(path), save_as_external_data=True, location="other.onnx.data", size_threshold=0
    )
    return path


def found_by(model: Path, **options: Any) -> Any:
    with Detector(model, conf=0.2, **options) as detector:
        return detector.detect(IMAGE)
