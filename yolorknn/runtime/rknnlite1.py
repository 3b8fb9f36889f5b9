""".rknn on a board of the first generation: rknn_toolkit_lite 1.7, which has wheels for aarch64 and Python up to 3.10.

Its class has the name of that for later chips, and fails as quietly. It knows no cores. It was run against a stand-in
only; boards without such a Python take the C++ example of `yolorknn build --codegen`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from yolorknn.errors import BackendError, ModelError
from yolorknn.model.metadata import ModelMetadata, Tensor
from yolorknn.model.platforms import FIRST_FAMILIES, FIRST_GENERATION, chips
from yolorknn.runtime.rknnlite import LiteSession
from yolorknn.runtime.wheel import wheel_class

CODES = {
    -10: "the board's driver is older than the model's toolkit: update both to one version",
    -11: "it was pre-compiled for another version of the driver: build it without --pre-compile, or for that version",
    -12: "the board's driver is older than the model's toolkit: update both to one version",
    -13: "it is built for the other family of chips",
    -14: "it is not pre-compiled, and the board has the mini driver, which takes no other: build it with --pre-compile "
    "(rknn-toolkit 1.7.3), or 'yolorknn precompile' it on a board with the full driver",
}
"""What rknn_init's numbers mean, where that says what to do."""


def check_board(path: Path, metadata: ModelMetadata) -> None:
    """Refuse a model for another chip than this board's.

    Raises:
        ModelError: it is; or this is no board of the first generation.
    """
    platform = metadata.build.platform if metadata.build else ""
    here = [chip for chip in chips() if chip in FIRST_GENERATION]
    if not here:
        raise ModelError(
            f"{path} runs on a board with {platform}, which this machine is not: copy it and its .json there, or here "
            f"use the .onnx it was built from ({metadata.source_of(path)}); detect runs it with --simulate too, where "
            "rknn-toolkit 1.7.3 or before is"
        )
    if not any({platform, here[0]} <= set(family) for family in FIRST_FAMILIES):
        raise ModelError(f"{path} is built for {platform}, this board is {here[0]}: build it again for that")


def open_lite1(path: Path, *, inputs: Sequence[Tensor], outputs: Sequence[Tensor]) -> LiteSession:
    """Load a model onto the NPU, which is one.

    Args:
        path: a .rknn of the first generation, for this board.
        inputs: what the model takes, an image NHWC: uint8, by the defaults of its inference().
        outputs: what it gives; the file does not say.

    Raises:
        MissingDependencyError: rknn_toolkit_lite 1.7 is not installed, or cannot be imported.
        BackendError: see LiteSession.
    """
    return LiteSession(_rknnlite, path, inputs=inputs, outputs=outputs, batched=False, meaning=_meaning)


def _meaning(code: int, said: str) -> str:
    """Return what a code of rknn_init means, that was returned or printed."""
    codes = [code, *map(int, re.findall(r"(?<![\d.])-\d{2}(?!\d)", said))]
    return next((f": {CODES[number]}" for number in codes if number in CODES), "")


def _rknnlite() -> Any:
    RKNNLite = wheel_class(
        "rknn_toolkit_lite 1.7",
        "running a .rknn on this board",
        absent="take the wheel for aarch64 and its Python, up to 3.10, from "
        "https://github.com/rockchip-linux/rknn-toolkit, or have 'yolorknn build --codegen' write one in C++",
        broken="mend that, or have 'yolorknn build --codegen' write one in C++",
    )
    if hasattr(RKNNLite, "NPU_CORE_AUTO"):
        raise BackendError("rknn-toolkit-lite2 is for later chips: install rknn_toolkit_lite 1.7 in its place")
    return RKNNLite
