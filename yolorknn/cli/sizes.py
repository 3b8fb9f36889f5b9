"""--size: how large the inputs of a model are that leaves that open."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import typer


def parse_sizes(texts: list[str] | None, model: Path) -> dict[str, Any]:
    """Return what --size says as the arguments of the toolkit's load calls: NAME=1x784, or 1x784 for inputs in turn."""
    from yolorknn.convert.recipe.generic import format_of

    names, sizes = [], []
    for text in texts or []:
        name, _, size = text.rpartition("=")
        sides = size.split("x")
        if not all(re.fullmatch(r"0*[1-9]\d{0,8}", side, re.ASCII) for side in sides) or text.startswith("="):
            raise typer.BadParameter(f"'{text}' is not a size: give 1x784, or NAME=1x784", param_hint="--size")
        names += [name] if name else []
        sizes.append(list(map(int, sides)))
    if names and (len(names) != len(sizes) or len(set(names)) != len(names)):
        raise typer.BadParameter("give each input a NAME= of its own, or none of them", param_hint="--size")
    if names and model.suffix.lower() != ".onnx" and format_of(model) == ".torchscript":
        raise typer.BadParameter("TorchScript has no names: give its inputs in turn", param_hint="--size")
    return {**({"inputs": names} if names else {}), **({"input_size_list": sizes} if sizes else {})}
