"""What the tests of a model at work share with those of streams: its detectors, and no thread left behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fakes.tiny_onnx import two_inputs
from tests.stream.conftest import make, no_thread_is_left

__all__ = ["make", "no_thread_is_left"]


@pytest.fixture
def two(tmp_path: Path) -> Path:
    pytest.importorskip("onnx")
    return two_inputs(tmp_path / "two.onnx")
