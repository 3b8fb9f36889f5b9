"""A plug-in in C for a custom op, to be filled in by whoever wrote the op."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from yolorknn.files import atomic_folder
from yolorknn.model.custom_ops import folder_of, library_of, stem_of
from yolorknn.model.onnx_file import load

HERE = Path(__file__).parent


def write_plugins(ops: Iterable[str], model: Path, folder: Path) -> list[Path]:
    """Write a folder for each op, as `cst_gelu-plugin/` of cstGelu; one that exists is left as it is.

    Args:
        ops: their types.
        model: an .onnx that has them, which says how many inputs and outputs they have and their attributes.
        folder: where the folders go.

    Returns:
        The folders that were made.

    Raises:
        OutputError: one cannot be written.
    """
    nodes = {node.op_type: node for node in load(model, weights=False).graph.node}
    made = []
    for op in ops:
        stem, target = stem_of(op), folder / folder_of(op)
        if target.exists():  # with what its owner wrote
            continue
        with atomic_folder(target) as temporary:
            shutil.copyfile(HERE / "custom_op.h", temporary / "custom_op.h")
            (temporary / f"{stem}.c").write_text(_filled(nodes[op], f"{stem}.c"), encoding="utf-8")
        made.append(target)
    return made


def _filled(node: Any, file: str) -> str:
    known = {
        "OP": node.op_type,
        "FILE": file,
        "LIBRARY": library_of(node.op_type),
        "INPUTS": str(len(node.input)),
        "OUTPUTS": str(len(node.output)),
        "ATTRIBUTES": _attributes(node),
    }
    text = (HERE / "plugin.c").read_text(encoding="utf-8")
    for name, value in known.items():
        text = text.replace(f"@{name}@", value)
    return text


def _attributes(node: Any) -> str:
    """Return the line of a comment that says how the node's attributes are had."""
    from onnx import helper

    numbers = {entry.name: helper.get_attribute_value(entry) for entry in node.attribute}
    calls = [
        f'attribute(context, "{name}", {value:g})' for name, value in numbers.items() if isinstance(value, (int, float))
    ]
    return f" * Its attributes: {', '.join(calls)}.\n" if calls else ""
