"""Read an .onnx without running it: its tensors and its metadata."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from yolorknn.errors import MissingDependencyError, ModelError
from yolorknn.files import check_model_file, is_file, sha256
from yolorknn.model import onnx_graph
from yolorknn.model.custom_ops import CUSTOM, is_custom
from yolorknn.model.evidence import Evidence
from yolorknn.model.fields import FAILURES
from yolorknn.model.metadata import ONNX_KEY, ModelMetadata, Tensor
from yolorknn.text import reason_of, short_reason

DAMAGED = "is empty, truncated or not ONNX: copy or export it again"


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
                    f"{self.path} has a dynamic shape ({tensor.name}): export it with a fixed size, as 'yolorknn "
                    "export' does; or build it with --generic and --size"
                )
        return ModelMetadata.from_json(self.properties[ONNX_KEY]) if ONNX_KEY in self.properties else None

    def evidence(self) -> Evidence:
        """Return what it shows of its outputs, for which its graph is read.

        Raises:
            MissingDependencyError: onnx is not installed.
        """
        model = load(self.path, weights=False)
        from onnx import numpy_helper

        return onnx_graph.evidence_of(model, self.properties, numpy_helper.to_array)


@dataclass(frozen=True)
class OnnxFile(OnnxFacts):
    """What an .onnx states, its graph included."""

    opset: int
    producer: str
    ops: frozenset[str]
    open_sides: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By tensor, where sides are of any length: the file's names of these, and the lengths of the others."""

    @property
    def quantized(self) -> bool:
        """Whether whoever made it quantized it, with QuantizeLinear and DequantizeLinear around its operators."""
        return "QuantizeLinear" in self.ops


def read(path: Path) -> OnnxFile:
    """Read an .onnx.

    Raises:
        ModelError: absent, truncated, or not ONNX; or a file that it has its weights in is absent.
        MissingDependencyError: onnx is not installed.
    """
    check_model_file(path)
    if path.suffix.lower() in (".pt", ".rknn"):
        hint = f"make one with 'yolorknn export {path}'" if path.suffix.lower() == ".pt" else "it is already built"
        raise ModelError(f"{path} is not an .onnx: {hint}")
    model = load(path)
    onnx = _onnx()
    try:
        onnx_graph.put_in_order(model)
        fix_batch(model)
        onnx.checker.check_model(_without_custom_ops(model))
        return _facts(path, model)
    except (onnx.checker.ValidationError, RuntimeError, *FAILURES) as exc:
        why = f"onnx {onnx.__version__} does not take {path}: {short_reason(exc)}"
        raise ModelError(why if model.ir_version and model.graph.node else f"{path} {DAMAGED}") from exc


def _facts(path: Path, model: Any) -> OnnxFile:
    constants = {constant.name for constant in model.graph.initializer}
    return OnnxFile(
        path=path,
        opset=next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), 0),
        producer=f"{model.producer_name} {model.producer_version}".strip(),
        inputs=_tensors(node for node in model.graph.input if node.name not in constants),
        outputs=_tensors(model.graph.output),
        properties={entry.key: entry.value for entry in model.metadata_props},
        ops=frozenset(node.op_type for node in model.graph.node),
        open_sides={
            info.name: _sides(info)
            for info in [*model.graph.input, *model.graph.output]
            if not all(side.isdecimal() for side in _sides(info))
        },
    )


def _sides(info: Any) -> tuple[str, ...]:
    return tuple(str(side.dim_value or side.dim_param or "any") for side in info.type.tensor_type.shape.dim)


def load(path: Path, *, weights: bool = True) -> Any:
    """Return an .onnx as onnx.ModelProto.

    Args:
        path: the file.
        weights: bring in those that stand in files beside it.

    Raises:
        ModelError: unreadable, not ONNX, or a file beside it is absent.
        MissingDependencyError: onnx is not installed.
    """
    check_model_file(path)
    onnx = _onnx()
    from google.protobuf.message import DecodeError

    try:
        model = onnx.load(str(path), load_external_data=False)
        if weights and external_files(path, model):
            onnx.load_external_data_for_model(model, str(path.parent))
    except OSError as exc:
        raise ModelError(f"cannot read the model {path}: {reason_of(exc)}") from exc
    except (DecodeError, onnx.checker.ValidationError, RuntimeError, *FAILURES) as exc:
        raise ModelError(f"{path} {DAMAGED}") from exc
    for info in [*model.graph.input, *model.graph.output]:
        for side in info.type.tensor_type.shape.dim:
            if side.dim_value < 0:  # as some write what is open
                side.ClearField("dim_value")
    return model


def external_files(path: Path, model: Any | None = None) -> tuple[Path, ...]:
    """Return the files beside an .onnx that hold weights of it.

    Args:
        path: the .onnx.
        model: the same as onnx.ModelProto, where it is at hand.

    Raises:
        ModelError: one is absent, or the .onnx is unreadable.
        MissingDependencyError: onnx is not installed.
    """
    _onnx()
    from onnx.external_data_helper import ExternalDataInfo, _get_all_tensors, uses_external_data

    model = load(path, weights=False) if model is None else model
    parts = [ExternalDataInfo(tensor) for tensor in _get_all_tensors(model) if uses_external_data(tensor)]
    files: dict[Path, int] = {}
    for file, end in ((path.parent / part.location, (part.offset or 0) + (part.length or 0)) for part in parts):
        files[file] = max(files.get(file, 0), end)
    for file, size in files.items():
        if path.parent.resolve() not in file.resolve().parents:
            raise ModelError(f"{path} has weights in {file}, outside its folder: save them beside it")
        if not is_file(file):
            raise ModelError(f"{path} has weights in {file.name}, but there is no {file}: copy both files together")
        if file.stat().st_size < size:
            raise ModelError(f"{path} has weights in {file}, which is truncated: copy or export both again")
    return tuple(files)


def fix_batch(model: Any) -> bool:
    """Make an onnx.ModelProto whose first axis alone is dynamic one of batch 1, in place; return whether it was so.

    Outputs of which it says less than follows from the inputs are said in full.
    """
    fixed = onnx_graph.fix_batch(model)
    onnx_graph.close_outputs(model, _onnx().shape_inference.infer_shapes)
    return fixed


def input_sides(path: Path) -> dict[str, tuple[int, ...]]:
    """Return the sides of an .onnx's inputs by name, 0 where they are dynamic.

    Raises:
        ModelError: it is unreadable.
    """
    model = load(path, weights=False)
    constants = {constant.name for constant in model.graph.initializer}
    return {tensor.name: tensor.shape for tensor in _tensors(model.graph.input) if tensor.name not in constants}


def digest(path: Path) -> str:
    """Return the sha256 over an .onnx, and after it over the files beside it that hold its weights.

    Raises:
        ModelError: one of these is absent or truncated.
    """
    try:
        model = load(path, weights=False)
    except ModelError:  # what is no .onnx names no other files
        return sha256(path)
    return sha256(path, *external_files(path, model))


def _onnx() -> Any:
    try:
        import onnx.checker
        import onnx.shape_inference
    except ImportError as exc:
        raise MissingDependencyError("onnx", "onnx", "reading an .onnx") from exc
    return onnx


def _without_custom_ops(model: Any) -> Any:
    """Return a copy that the checker accepts: custom ops stand in the standard domain, as rknn-toolkit2 wants it."""
    copy = type(model)()
    copy.CopyFrom(model)
    for node in copy.graph.node:
        node.domain = CUSTOM if is_custom(node.op_type) else node.domain
    copy.opset_import.add(domain=CUSTOM, version=1)
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
