"""The .onnx as rknn-toolkit2 gets it: in one file, of batch 1, in float32, of an opset that it reads."""

from __future__ import annotations

import logging
import shutil
from functools import lru_cache
from pathlib import Path
from typing import Any

from yolorknn.errors import BuildError, ModelError
from yolorknn.files import writing
from yolorknn.model import onnx_file
from yolorknn.model.fields import FAILURES

_logger = logging.getLogger(__name__)

OPSET = 19
"""The highest that rknn-toolkit2 reads."""


def prepare(source: Path, target: Path, *, one_image: bool = True) -> None:
    """Write an .onnx as the toolkit takes it; what it is changed in is told, as a warning.

    Args:
        source: the .onnx.
        target: the file to write.
        one_image: whether a dynamic batch becomes one of 1.

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
    narrow = _widen(model)
    opset = next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), 0)
    if batch:
        _tell(f"{source} takes batches of any size: built for one image at a time")
    if opset > OPSET:
        model = _converted(model, source, opset)
        _tell(f"{source} is of opset {opset}, which rknn-toolkit2 does not read: converted to {OPSET}")
    with writing(target):
        if batch or narrow or opset > OPSET or onnx_file.external_files(source):
            try:
                onnx.save(model, str(target))
            except ValueError as exc:  # of more than 2 GB
                raise ModelError(f"{source} is too large with its weights: rknn-toolkit2 takes 2 GB at most") from exc
        else:
            shutil.copyfile(source, target)


@lru_cache(maxsize=64)
def _tell(text: str) -> None:
    """Tell it once, however many builds there are."""
    _logger.warning("%s", text)


def _converted(model: Any, source: Path, opset: int) -> Any:
    from onnx import version_converter

    try:
        return version_converter.convert_version(model, OPSET)
    except (RuntimeError, *FAILURES) as exc:
        reason = str(exc).strip().splitlines()[-1][:200] if str(exc).strip() else "no reason given"
        raise BuildError(
            f"{source} is of opset {opset}, rknn-toolkit2 reads up to {OPSET}, and onnx cannot convert it ({reason}): "
            f"export it with opset={OPSET} or less"
        ) from exc


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
