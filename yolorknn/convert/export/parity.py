"""What torch wrote as ONNX, against torch itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from yolorknn.errors import ExportError
from yolorknn.runtime import ort
from yolorknn.text import short_reason

TOLERANCE = 1e-3
"""Largest difference between torch and onnxruntime on one output, relative to that output's range."""


def check_same(
    path: Path, feeds: Mapping[str, NDArray[Any]], expected: Sequence[NDArray[Any]], *, otherwise: str
) -> None:
    """Compare what onnxruntime computes with what torch computed.

    Args:
        path: of the ONNX.
        feeds: what it is given, by name.
        expected: torch's outputs, in order.
        otherwise: what to do where they differ, as a sentence ends.

    Raises:
        ExportError: they differ by more than TOLERANCE, an input is used by nothing, or onnxruntime does not run it.
    """
    onnxruntime = ort.imported()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        taken = {node.name for node in session.get_inputs()}
        found = session.run(None, {name: value for name, value in feeds.items() if name in taken})
    except Exception as exc:  # onnxruntime raises of its own kinds
        raise ExportError(f"onnxruntime does not run what torch wrote: {short_reason(exc)}") from exc
    if unused := feeds.keys() - taken:
        raise ExportError(f"the model does not use its input {min(unused)}: leave it out of forward()")
    for node, got, want in zip(session.get_outputs(), found, expected, strict=True):
        off = float(np.abs(got.astype(np.float64) - want).max(initial=0))
        if got.shape != want.shape or not off <= TOLERANCE * max(1.0, float(np.ptp(want)) if want.size else 0.0):
            raise ExportError(f"the exported ONNX disagrees with torch by {off:.3g} on {node.name}: {otherwise}")
