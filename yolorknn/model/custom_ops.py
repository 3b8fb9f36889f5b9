"""Names of custom ops: in a graph, and of the plug-in that a board needs for each."""

from __future__ import annotations

import re

PREFIX = "cst"
"""What the names of such ops begin with, as rknn-toolkit2 wants it."""
CUSTOM = "yolorknn.custom"
"""A domain for those that stand among ONNX's own."""
PLUGINS = "/usr/lib/rknpu/op_plugins"
"""The vendor's folder for them on a board."""


def is_custom(op: str) -> bool:
    """Return whether an op of a graph is a custom one by its name."""
    return re.fullmatch(rf"{PREFIX}[A-Z0-9]\w*", op, re.ASCII) is not None


def library_of(op: str) -> str:
    """Return the file name of an op's plug-in: librkcst_gelu.so of cstGelu."""
    return f"librk{stem_of(op)}.so"


def folder_of(op: str) -> str:
    """Return the name of the folder for the source of an op's plug-in."""
    return f"{stem_of(op)}-plugin"


def stem_of(op: str) -> str:
    """Return an op's name as files have it: cst_gelu of cstGelu."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", op.removeprefix(PREFIX)).lower()
    return f"{PREFIX}_{words.strip('_')}"
