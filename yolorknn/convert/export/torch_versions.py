"""What differs between the versions of torch that ultralytics takes, from 1.8 on."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any


def known(function: Callable[..., Any], **arguments: Any) -> dict[str, Any]:
    """Return those of the arguments that this version's function has; it is as they say where it has not."""
    parameters = inspect.signature(function).parameters
    return {name: value for name, value in arguments.items() if name in parameters}


def unsupported() -> type[Exception]:
    """Return what torch.onnx.export raises of an operator that an opset lacks: RuntimeError before torch 1.13."""
    import torch.onnx

    errors = getattr(torch.onnx, "errors", None)
    found: type[Exception] = getattr(errors, "UnsupportedOperatorError", RuntimeError)
    return found
