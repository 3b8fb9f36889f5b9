"""The plug-in compiled, and softmax by its definition."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.conftest import ROOT

CROSS = "aarch64-linux-gnu-gcc"
STRICT = ("-std=gnu11", "-Wall", "-Wextra", "-Werror", "-fPIC", "-shared", "-Wl,-soname,librknnrt.so")
INVALID = -5
"""RKNN_ERR_PARAM_INVALID."""

needs_gcc = pytest.mark.skipif(shutil.which("gcc") is None, reason="no gcc")
needs_cross = pytest.mark.skipif(shutil.which(CROSS) is None, reason=f"no {CROSS}: apt install gcc-aarch64-linux-gnu")


def compiled(folder: Path, compiler: str, *, flags: str = "") -> tuple[Path, Path]:
    """Return the plug-in, made by the script, and the stand-in for the runtime."""
    environment = {**os.environ, "CC": compiler, "CFLAGS": flags}
    script = [str(ROOT / "scripts/build-plugin.sh"), str(folder)]
    subprocess.run(["sh", *script], env=environment, check=True, capture_output=True)
    runtime = folder / "librknnrt.so"
    subprocess.run([compiler, *STRICT, "-o", str(runtime), str(ROOT / "tests/board/custom_op.c")], check=True)
    assert {path.name for path in folder.iterdir()} == {"librkcst_softmax.so", "librknnrt.so"}
    return folder / "librkcst_softmax.so", runtime


def softmax(x: NDArray[Any], axis: int) -> NDArray[Any]:
    """exp(x - max) / sum: the difference in float32, the rest in float64."""
    if x.size == 0:
        return x
    with np.errstate(all="ignore"):
        wide = x.astype(np.float32)
        weights = np.exp((wide - wide.max(axis=axis, keepdims=True)).astype(float))
        result: NDArray[Any] = weights / weights.sum(axis=axis, keepdims=True)
        return result


def assert_softmax(ours: NDArray[Any], x: NDArray[Any], axis: int) -> None:
    """To the last digits of the type; the absolute part is two of its smallest numbers."""
    relative = {"float32": 1e-6, "float16": 2e-3}[x.dtype.name]
    smallest = 2 * float(np.finfo(x.dtype).smallest_subnormal)
    assert ours.dtype == x.dtype
    np.testing.assert_allclose(ours.astype(float), softmax(x, axis), rtol=relative, atol=smallest)


def extremes() -> dict[str, NDArray[Any]]:
    """Tensors `NAME.AXIS`: what a network gives when it goes wrong, and what YOLO's heads give when it does not."""
    inf, nan, big, tiny = np.inf, np.nan, np.finfo(np.float32).max, np.finfo(np.float32).smallest_subnormal
    generator = np.random.default_rng(0)
    rows = np.array(
        [[1, nan, 2], [inf, 0, 1], [inf, inf, 0], [-inf, -inf, -inf], [-inf, 0, -inf], [nan, nan, nan],
         [big, -big, 0], [-big, -big, -big], [big, big, big], [tiny, -tiny, 0], [88.8, -88.8, 0], [0, -103.9, -95]],
        np.float32,
    )  # fmt: skip
    return {
        "rows.1": rows,
        "columns.0": np.ascontiguousarray(rows.T),
        "half.-1": np.nan_to_num(rows, posinf=inf, neginf=-inf, nan=nan).clip(-65504, 65504).astype(np.float16),
        "one.0": rows[:1],
        "size 1.1": rows.reshape(3, 1, 12),
        "scalar row.0": np.array([nan], np.float32),
        "empty.1": np.zeros((3, 0, 2), np.float32),
        "dfl.1": generator.normal(0, 8, (1, 16, 4, 525)).astype(np.float32),
        "dfl transposed.3": generator.normal(0, 8, (1, 4, 525, 16)).astype(np.float32),
        "attention.-1": generator.normal(0, 20, (1, 2, 100, 100)).astype(np.float32),
        "long.1": generator.normal(0, 1, (1, 8400)).astype(np.float32),
        "long half.1": generator.normal(0, 1, (1, 8400)).astype(np.float16),
        "16 dimensions.7": generator.normal(0, 1, (1, 2) * 8).astype(np.float32),
    }
