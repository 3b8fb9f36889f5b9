"""Read an .onnx without running it: its tensors and its metadata."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from yolorknn.errors import MissingDependencyError, ModelError
from yolorknn.files import check_model_file
from yolorknn.model.fields import FAILURES, MOST_CHARACTERS
from yolorknn.model.metadata import ONNX_KEY, ModelMetadata, Tensor


@dataclass(frozen=True)
class OnnxFacts:
    """What an .onnx says of itself, whoever reads it."""

    path: Path
    inputs: list[Tensor]
    outputs: list[Tensor]
    """Sides of unknown length are 0."""
    properties: dict[str, str]
    """Its metadata_props."""

    def embedded(self) -> ModelMetadata | None:
        """Return the metadata that yolorknn wrote into it; None where others made it.

        Raises:
            ModelError: a shape is dynamic.
            MetadataError: it is unreadable.
        """
        for tensor in [*self.inputs, *self.outputs]:
            if 0 in tensor.shape:
                raise ModelError(
                    f"{self.path} has a dynamic shape ({tensor.name}): give 'yolorknn export' a fixed imgsz"
                )
        return ModelMetadata.from_json(self.properties[ONNX_KEY]) if ONNX_KEY in self.properties else None

    def class_names(self) -> list[str] | None:
        """Return the class names that ultralytics wrote into it, or None."""
        try:
            text = self.properties["names"]
            names = ast.literal_eval(text) if len(text) <= MOST_CHARACTERS else None
            listed = [names[number] for number in range(len(names))] if isinstance(names, (dict, list)) else [None]
            return [str(name) for name in listed] if all(isinstance(name, (str, int)) for name in listed) else None
        except FAILURES:
            return None


@dataclass(frozen=True)
class OnnxFile(OnnxFacts):
    """What an .onnx states, its graph included."""

    opset: int
    producer: str
    ops: frozenset[str]


def read(path: Path) -> OnnxFile:
    """Read an .onnx.

    Raises:
        ModelError: absent, truncated, or not ONNX.
        MissingDependencyError: onnx is not installed.
    """
    try:
        import onnx
        from google.protobuf.message import DecodeError
    except ImportError as exc:
        raise MissingDependencyError("onnx", "onnx", "reading an .onnx") from exc
    check_model_file(path)
    if path.suffix.lower() in (".pt", ".rknn"):
        hint = f"make one with 'yolorknn export {path}'" if path.suffix.lower() == ".pt" else "it is already built"
        raise ModelError(f"{path} is not an .onnx: {hint}")
    try:
        model = onnx.load(str(path))
        onnx.checker.check_model(_without_custom_ops(model))
        return _facts(path, model)
    except OSError as exc:
        raise ModelError(f"cannot read the model {path}: {exc.strerror or exc}") from exc
    except (DecodeError, onnx.checker.ValidationError, RuntimeError, *FAILURES) as exc:
        raise ModelError(f"{path} is empty, truncated or not ONNX: copy or export it again") from exc


def _facts(path: Path, model: Any) -> OnnxFile:
    opsets = [entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")]
    constants = {constant.name for constant in model.graph.initializer}
    return OnnxFile(
        path=path,
        opset=opsets[0] if opsets else 0,
        producer=f"{model.producer_name} {model.producer_version}".strip(),
        inputs=_tensors(node for node in model.graph.input if node.name not in constants),
        outputs=_tensors(model.graph.output),
        properties={entry.key: entry.value for entry in model.metadata_props},
        ops=frozenset(node.op_type for node in model.graph.node),
    )


def _without_custom_ops(model: Any) -> Any:
    """Return a copy that the checker accepts: cstSoftmax stands in the standard domain, as rknn-toolkit2 wants it."""
    import onnx

    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    for node in copy.graph.node:
        node.op_type = node.op_type.removeprefix("cst")
    return copy


def _tensors(nodes: Iterable[Any]) -> list[Tensor]:
    import onnx

    return [
        Tensor(
            node.name,
            tuple(int(side.dim_value) for side in node.type.tensor_type.shape.dim),  # 0 where it is dynamic
            onnx.TensorProto.DataType.Name(node.type.tensor_type.elem_type).lower(),
        )
        for node in nodes
    ]
