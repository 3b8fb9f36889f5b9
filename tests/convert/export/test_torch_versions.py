"""What differs between torch 1.11, the oldest on Python 3.10, and the newest; test_other_torch.py has both."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conftest import needs_torch
from yolorknn.convert.export.torch_versions import known, newest_opset, unsupported


def test_arguments_that_a_version_has() -> None:
    def older(path: str, **others: Any) -> None: ...
    def newer(path: str, *, weights_only: bool = True, **others: Any) -> None: ...

    assert known(older, weights_only=False) == {}
    assert known(newer, weights_only=False, dynamo=False) == {"weights_only": False}


@needs_torch
def test_the_error_of_an_operator(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    assert unsupported() is torch.onnx.errors.UnsupportedOperatorError
    monkeypatch.delattr(torch.onnx, "errors")
    assert unsupported() is RuntimeError


@needs_torch
def test_the_newest_opset(monkeypatch: pytest.MonkeyPatch) -> None:
    """torch 1.11 says that it is 15."""
    from torch.onnx import symbolic_helper

    assert newest_opset(17) == 17
    monkeypatch.setattr(symbolic_helper, "_onnx_main_opset", 15, raising=False)
    assert newest_opset(17) == 15 and newest_opset(13) == 13
