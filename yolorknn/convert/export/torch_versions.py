"""What differs between the versions of torch that ultralytics takes, from 1.8 on."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


def known(function: Callable[..., Any], **arguments: Any) -> dict[str, Any]:
    """Return those of the arguments that this version's function has; it is as they say where it has not."""
    parameters = inspect.signature(function).parameters
    return {name: value for name, value in arguments.items() if name in parameters}


def write_onnx(module: Any, given: Any, path: str, **options: Any) -> None:
    """Write an .onnx by tracing: torch.onnx.export with these options; from 2.9 on torch calls that its old way."""
    import torch

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "You are using the legacy|The feature will be removed", DeprecationWarning)
        torch.onnx.export(module, given, path, **options, **known(torch.onnx.export, dynamo=False))


@contextmanager
def plain_attention() -> Iterator[None]:
    """Have nn.TransformerEncoderLayer compute by operators that ONNX has; from 2.0 on torch has one of its own."""
    import torch

    attention = getattr(torch.backends, "mha", None)
    if attention is None:
        yield
        return
    before = attention.get_fastpath_enabled()
    attention.set_fastpath_enabled(False)
    try:
        yield
    finally:
        attention.set_fastpath_enabled(before)


def newest_opset(most: int) -> int:
    """Return the newest opset of ONNX that is written, up to `most`: before torch 1.13 there is a list of them."""
    from torch.onnx import symbolic_helper

    return min(most, getattr(symbolic_helper, "_onnx_main_opset", most))


def unsupported() -> type[Exception]:
    """Return what torch.onnx.export raises of an operator that an opset lacks: RuntimeError before torch 1.13."""
    import torch.onnx

    errors = getattr(torch.onnx, "errors", None)
    found: type[Exception] = getattr(errors, "UnsupportedOperatorError", RuntimeError)
    return found
