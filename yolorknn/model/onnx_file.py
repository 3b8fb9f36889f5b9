"""Read an .onnx without running it: its tensors and its metadata."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from yolorknn.errors import MissingDependencyError, ModelError
from yolorknn.model.layout import recognise, ultralytics_names
from yolorknn.model.metadata import ONNX_KEY, ModelMetadata, Tensor


@dataclass(frozen=True)
class OnnxFile:
    """What an .onnx states."""

    path: Path
    opset: int
    producer: str
    inputs: list[Tensor]
    outputs: list[Tensor]
    properties: dict[str, str]
    ops: frozenset[str]

    def metadata(self, *, names: list[str] | None = None) -> ModelMetadata:
        """Return the embedded metadata, or what the tensors imply.

        Raises:
            ModelError: a shape is dynamic.
            MetadataError: unreadable, or it contradicts the tensors.
        """
        for tensor in [*self.inputs, *self.outputs]:
            if 0 in tensor.shape:
                raise ModelError(
                    f"{self.path} has a dynamic shape ({tensor.name}): give 'yolorknn export' a fixed imgsz"
                )
        if ONNX_KEY in self.properties:
            metadata = ModelMetadata.from_json(self.properties[ONNX_KEY])
            metadata.check(self.outputs, where=str(self.path))
            return metadata
        known = names if names is not None else ultralytics_names(self.properties)
        return recognise(self.inputs, self.outputs, names=known, where=str(self.path))


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
    if not path.is_file():
        raise ModelError(f"there is no model file {path}" if not path.is_dir() else f"{path} is a folder, not a model")
    if path.suffix.lower() in (".pt", ".rknn"):
        hint = f"make one with 'yolorknn export {path}'" if path.suffix.lower() == ".pt" else "it is already built"
        raise ModelError(f"{path} is not an .onnx: {hint}")
    try:
        model = onnx.load(str(path))
        onnx.checker.check_model(_without_custom_ops(model))
    except OSError as exc:
        raise ModelError(f"cannot read the model {path}: {exc.strerror or exc}") from exc
    except (DecodeError, onnx.checker.ValidationError) as exc:
        raise ModelError(f"{path} is empty, truncated or not ONNX: copy or export it again") from exc
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
