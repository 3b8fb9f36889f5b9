"""What an .onnx or .rknn says of itself, as facts to show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from yolorknn.errors import MetadataError, ModelError
from yolorknn.model import onnx_file, rknn_file, torchscript_file
from yolorknn.model.anchor_sizes import AnchorSizes
from yolorknn.model.first_file import first_metadata
from yolorknn.model.metadata import Output
from yolorknn.model.rknn_file import RknnFile
from yolorknn.model.torchscript_file import is_torchscript
from yolorknn.tasks.known import metadata_of


def describe(path: Path, *, names: Sequence[str] | None = None, anchors: AnchorSizes | None = None) -> dict[str, Any]:
    """Return the facts as plain JSON values. An .onnx needs the onnx package.

    Args:
        path: the file.
        names: class names, for a file without metadata.
        anchors: sizes of anchor boxes, for a file that has such and no metadata; see model.anchor_sizes.

    Raises:
        ModelError: absent, broken, or of another kind.
        MissingDependencyError: the package is not installed.
    """
    readers = {".rknn": _rknn, ".onnx": _onnx}
    if is_torchscript(path) or path.suffix.lower() == ".torchscript":
        return _torchscript(path)
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise ModelError(f"{path} has suffix '{path.suffix}': info reads {', '.join(readers)}, .torchscript, .pt")
    return reader(path, {"names": names, "anchors": anchors})


def _rknn(path: Path, told: Mapping[str, Any]) -> dict[str, Any]:
    if (first := first_metadata(path)) is not None:
        return {"format": "rknn, first generation", **first.describe()}
    file = rknn_file.read(path)
    return {
        "format": "rknn",
        "platforms": list(file.platforms),
        "toolkit": file.toolkit,
        **_detector(file, told),
        **(_generic(file) if file.generic else {}),
        "inputs": _stated(file, file.inputs),
        "outputs": _stated(file, file.outputs),
    }


def _generic(file: RknnFile) -> dict[str, Any]:
    """Return how a generic model was built; one that an earlier yolorknn made does not say."""
    try:
        metadata = file.recorded()
    except MetadataError as exc:
        return {"generic": True, "build": f"none: {exc}"}
    return {"generic": True} if metadata is None else dict(metadata.describe())


def _onnx(path: Path, told: Mapping[str, Any]) -> dict[str, Any]:
    file = onnx_file.read(path)
    return {
        "format": "onnx",
        "opset": file.opset,
        "producer": file.producer,
        **_detector(file, told),
        "inputs": _tensors(file.inputs, file.open_sides),
        "outputs": _tensors(file.outputs, file.open_sides),
    }


def _torchscript(path: Path) -> dict[str, Any]:
    file = torchscript_file.read(path)
    return {
        "format": "torchscript",
        "module": file.module,
        "inputs": list(file.inputs),
        "outputs": [file.outputs],
        "weight_bytes": file.weight_bytes,
        "shapes": "a TorchScript file states none: a build is told them by --size",
    }


def _detector(file: Any, told: Mapping[str, Any]) -> dict[str, Any]:
    """Return the metadata, `roles` being what outputs are whose names do not say it; of no detector say so instead."""
    try:
        metadata = metadata_of(file, **told)
    except ModelError as exc:  # also of a dynamic shape
        return {"metadata": f"none: {exc}"}
    fields = dict(metadata.describe())
    del fields["outputs"]
    if any(not output.name.startswith(output.role) for output in metadata.outputs):
        fields["roles"] = {output.name: _role(output) for output in metadata.outputs}
    return fields


def _role(output: Output) -> str:
    return f"{output.role} of stride {output.stride}" if output.stride else output.role


def _stated(file: RknnFile, tensors: list[Any]) -> list[str]:
    """Return tensors as the chip has them, and in brackets what they were before it was built, where that is told."""
    lines = _tensors(tensors, {name: [_alternatives(shapes)] for name, shapes in file.several.items()})
    return [
        f"{line} (of {file.dtypes[tensor.name]})" if file.dtypes.get(tensor.name, "float32") != "float32" else line
        for line, tensor in zip(lines, tensors, strict=True)
    ]


def _alternatives(shapes: Sequence[Sequence[int]]) -> str:
    return " or ".join("x".join(map(str, shape)) for shape in shapes)


def _tensors(tensors: list[Any], sides: Mapping[str, Sequence[str]] | None = None) -> list[str]:
    """Return tensors as text; `sides` are those of the ones that have some of any length, by their names."""
    shapes = {tensor.name: (sides or {}).get(tensor.name) or tensor.shape for tensor in tensors}
    return [f"{tensor.name} {'x'.join(map(str, shapes[tensor.name]))} {tensor.dtype}" for tensor in tensors]
