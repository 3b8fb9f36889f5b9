"""The .onnx as rknn-toolkit2 gets it: in one file, of batch 1, in float32, of an opset that it reads."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from yolorknn.convert.recipe.pools import pools_to_convs
from yolorknn.convert.recipe.preflight import check_graph
from yolorknn.convert.recipe.repair import repair_means, repair_norms
from yolorknn.errors import BuildError, ModelError
from yolorknn.files import writing
from yolorknn.model import onnx_file
from yolorknn.model.fields import FAILURES
from yolorknn.model.onnx_graph import put_in_order
from yolorknn.progress import tell_once

OPSET = 19
"""The highest that rknn-toolkit2 reads."""
IR = 10
"""Version of the format: the onnx beside rknn-toolkit2 refuses what newer ones write."""


def prepare(
    source: Path,
    target: Path,
    *,
    one_image: bool = True,
    pictures: bool = False,
    averages: bool = False,
    highest: int = OPSET,
    newest: int = IR,
) -> None:
    """Write an .onnx as the toolkit takes it; what it is changed in is told, as a warning.

    Args:
        source: the .onnx.
        target: the file to write.
        one_image: whether a dynamic batch becomes one of 1.
        pictures: whether the inputs are pictures, which the toolkit normalizes only as floats.
        averages: whether averages become convolutions, see pools.py.
        highest: opset that the toolkit reads.
        newest: version of the format that it reads.

    Raises:
        ModelError: the file is unreadable, or one with weights of it is absent.
        BuildError: it cannot be made so.
        MissingDependencyError: onnx is not installed.
    """
    import onnx

    model = onnx_file.load(source)
    ops = {node.op_type for node in model.graph.node}
    if any(op.startswith("QLinear") for op in ops):
        raise BuildError(
            f"{source} is quantized with operators of onnxruntime's own (QLinearConv and others), which rknn-toolkit2 "
            "does not read: quantize it with quant_format=QuantFormat.QDQ, or build the float model with --dataset"
        )
    batch = one_image and onnx_file.fix_batch(model)
    check_graph(model, source)
    floating = pictures and _floats_taken(model, source)
    changed = [
        put_in_order(model),
        batch,
        _widen(model),
        floating,
        repair_norms(model),
        repair_means(model),
        averages and pools_to_convs(model),
    ]
    opset = next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), 0)
    if batch:
        tell_once(f"{source} takes batches of any size: built for one image at a time")
    if opset > highest:
        model = _converted(model, source, opset, highest)
        tell_once(f"{source} is of opset {opset}, which the vendor's toolkit does not read: converted to {highest}")
    newer = model.ir_version > newest
    model.ir_version = min(model.ir_version, newest)
    with writing(target):
        if newer or any(changed) or opset > highest or onnx_file.external_files(source):
            try:
                onnx.save(model, str(target))
            except ValueError as exc:  # of more than 2 GB
                raise ModelError(f"{source} is too large with its weights: rknn-toolkit2 takes 2 GB at most") from exc
        else:
            shutil.copyfile(source, target)


def _converted(model: Any, source: Path, opset: int, highest: int) -> Any:
    from onnx import version_converter

    try:
        return version_converter.convert_version(model, highest)
    except (RuntimeError, *FAILURES) as exc:
        said = str(exc).strip().splitlines()[-1:] or ["no reason given"]
        reason = said[0].rpartition("failed: ")[2][:200]  # before it, where in onnx's own source
        raise BuildError(
            f"{source} is of opset {opset}, the vendor's toolkit reads up to {highest}, and onnx cannot convert it "
            f"({reason}): export it with opset={highest} or less"
        ) from exc


def _floats_taken(model: Any, source: Path) -> bool:
    """Make inputs of whole numbers that are cast to floats at once floats, in place; return whether there were any.

    Raises:
        BuildError: one is computed with as it is.
    """
    from onnx import TensorProto

    floats = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE)
    constants = {constant.name for constant in model.graph.initializer}  # among the inputs in old files
    inputs = [info for info in model.graph.input if info.name not in constants]
    whole = [info for info in inputs if info.type.tensor_type.elem_type not in floats]
    for info in whole:
        takers = [node for node in model.graph.node if info.name in node.input]
        if any(node.op_type != "Cast" for node in takers):
            raise BuildError(
                f"{source} takes its pictures as whole numbers and computes with them, which rknn-toolkit2 does not: "
                "export it with an input of floats, or with a Cast first"
            )
        info.type.tensor_type.elem_type = TensorProto.FLOAT
    return bool(whole)


def _widen(model: Any) -> bool:
    """Make float16 and float64 float32, in place; return whether there were any."""
    import numpy as np
    from onnx import TensorProto, numpy_helper

    others = (TensorProto.FLOAT16, TensorProto.DOUBLE)
    changed = False

    def widened(tensor: Any) -> None:
        nonlocal changed
        if tensor.data_type in others:
            changed = True
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float32), tensor.name))

    for tensor in model.graph.initializer:
        widened(tensor)
    for node in model.graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                widened(attribute.t)
            elif node.op_type == "Cast" and attribute.name == "to" and attribute.i in others:
                changed, attribute.i = True, TensorProto.FLOAT
    for info in [*model.graph.input, *model.graph.output, *model.graph.value_info]:
        if info.type.tensor_type.elem_type in others:
            changed, info.type.tensor_type.elem_type = True, TensorProto.FLOAT
    return changed
