"""Any torch.nn.Module -> .onnx, for `yolorknn build --generic`."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from yolorknn.convert.export.parity import check_same
from yolorknn.convert.export.torch_versions import newest_opset, plain_attention, write_onnx
from yolorknn.errors import ExportError, MissingDependencyError
from yolorknn.files import atomic
from yolorknn.runtime import ort
from yolorknn.text import short_reason

OPSET = 17
"""The first with LayerNormalization; rknn-toolkit2 reads up to 19."""


def export_module(
    module: Any,
    example_inputs: Any,
    output: str | Path,
    *,
    input_names: Sequence[str] | None = None,
    output_names: Sequence[str] | None = None,
    opset: int | None = None,
) -> Path:
    """Write a module of torch as an ONNX of fixed shapes, and check it against torch on the example.

    The module is copied to the CPU, in eval mode and float32; yours stays as it is, on the device that it is on.

    Args:
        module: a torch.nn.Module. Its forward() takes tensors, and gives one, a tuple or list of them, which may hold
            others, or a dict.
        example_inputs: what it takes: a tensor, a tuple of tensors, or a dict by the names of forward()'s parameters.
            Their shapes become the model's.
        output: the .onnx.
        input_names: of the ONNX; default is the names of forward()'s parameters.
        output_names: of the ONNX; default is the keys of a dict, or "output", or "output0", "output1", ...
        opset: of ONNX; default is 17, or with an older torch the newest that this writes.

    Returns:
        Path of the .onnx.

    Raises:
        ExportError: it is no module, does not run on the example, cannot be written, or onnxruntime computes something
            else than torch.
        MissingDependencyError: torch, onnx or onnxruntime is not installed.
        OutputError: the file cannot be written.
    """
    try:
        import onnx
        import torch

        ort.imported()
    except ImportError as exc:
        raise MissingDependencyError(exc.name or "torch", "export", "exporting a module") from exc
    target = Path(output)
    if not isinstance(module, torch.nn.Module):
        raise ExportError(f"{type(module).__name__} is no torch.nn.Module: give the module itself, not its weights")
    if target.suffix.lower() != ".onnx":
        raise ExportError(f"{target} has suffix '{target.suffix}': name the .onnx")
    own = copy.deepcopy(module).cpu().eval().float()
    arguments = _arguments(own, example_inputs)
    with torch.no_grad(), plain_attention():
        try:
            given = own(*arguments.values())
        except Exception as exc:  # whatever a forward() raises
            raise ExportError(f"{type(module).__name__} does not run on the example: {short_reason(exc)}") from exc
        outputs = _outputs(given, type(module).__name__)
        names = _names(list(arguments), input_names, "input"), _names(list(outputs), output_names, "output")
        forward = own.forward
        own.forward = lambda *values: tuple(_outputs(forward(*values), "").values())  # the exporter names a tuple's
        with atomic(target) as temporary:
            try:
                write_onnx(
                    own,
                    tuple(arguments.values()),
                    str(temporary),
                    input_names=names[0],
                    output_names=names[1],
                    opset_version=opset or newest_opset(OPSET),
                    do_constant_folding=True,
                )
                onnx.checker.check_model(str(temporary))
            except Exception as exc:  # torch's exporter raises of many kinds
                raise ExportError(f"{type(module).__name__} cannot be written as ONNX: {short_reason(exc)}") from exc
            feeds = {name: value.numpy() for name, value in zip(names[0], arguments.values(), strict=True)}
            expected = [value.numpy() for value in outputs.values()]
            check_same(temporary, feeds, expected, otherwise="does forward() depend on chance?")
    return target


def _arguments(module: Any, given: Any) -> dict[str, Any]:
    """Return the example's tensors on the CPU, by the names of the parameters of forward(), in their order."""
    import torch

    parameters = [
        name
        for name, parameter in inspect.signature(module.forward).parameters.items()
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
    ]
    name = type(module).__name__
    if isinstance(given, Mapping):
        if unknown := [key for key in given if key not in parameters]:
            raise ExportError(f"{name}.forward() has no parameter {unknown[0]}: it has {', '.join(parameters)}")
        order = [parameter for parameter in parameters if parameter in given]
        if order != parameters[: len(order)]:
            raise ExportError(f"the example lacks {parameters[len(order) - 1]}: give all before {order[-1]} too")
        values = {key: given[key] for key in order}
    else:
        several = tuple(given) if isinstance(given, (tuple, list)) else (given,)
        padded = [*parameters, *(f"input{number}" for number in range(len(parameters), len(several)))]
        values = dict(zip(padded, several, strict=False))
    if not values:
        raise ExportError("the example is empty: give a tensor for each input")
    for key, value in values.items():
        if not isinstance(value, torch.Tensor):
            raise ExportError(f"the example's {key} is {type(value).__name__}, not a tensor")
    moved = {key: value.detach().cpu() for key, value in values.items()}
    return {key: value.float() if value.is_floating_point() else value for key, value in moved.items()}


def _outputs(given: Any, module: str) -> dict[str, Any]:
    """Return what forward() gave, by name."""
    import torch

    if isinstance(given, torch.Tensor):
        return {"output": given}
    if isinstance(given, Mapping):
        found = {str(name): value for name, value in given.items()}
    elif isinstance(given, (tuple, list)):
        found = {f"output{number}": value for number, value in enumerate(_flat(given))}
    else:
        found = {"output": given}
    for name, value in found.items():
        if not isinstance(value, torch.Tensor):
            raise ExportError(
                f"{module}.forward() gives {name} as {type(value).__name__}, not as a tensor: leave it out"
            )
    if not found:
        raise ExportError(f"{module}.forward() gives nothing")
    return found


def _flat(given: Sequence[Any]) -> Iterator[Any]:
    """Yield what is in tuples, as nn.LSTM gives its states."""
    for value in given:
        if isinstance(value, (tuple, list)):
            yield from _flat(value)
        else:
            yield value


def _names(own: list[str], wanted: Sequence[str] | None, what: str) -> list[str]:
    names = own if wanted is None else list(wanted)
    if len(names) != len(own) or len(set(names)) != len(names) or not all(names):
        raise ExportError(f"{what}_names {names} are not {len(own)} different names")
    return names
