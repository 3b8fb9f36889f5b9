"""`yolorknn info`: what a model file says of itself."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from yolorknn.cli.options import Anchors, AsJson, Names
from yolorknn.cli.show import put, put_json
from yolorknn.files import check_model_file
from yolorknn.model.torchscript_file import is_torchscript
from yolorknn.text import dumps, printable

WIDTH, MANY = 100, 10


def info_command(
    file: Annotated[Path, typer.Argument(help="A .pt, .onnx, .torchscript or .rknn.", metavar="FILE")],
    as_json: AsJson = False,
    names: Names = None,
    anchors: Anchors = None,
) -> None:
    """Say what a model file says of itself, and of another program's how its outputs are read."""
    from yolorknn.model.anchor_sizes import given_anchors
    from yolorknn.model.class_names import read_names

    check_model_file(file)
    if file.suffix.lower() == ".pt" and not is_torchscript(file):
        from yolorknn.convert.export.inspect import inspect

        facts = {"format": "pt", **inspect(file)}
    else:
        from yolorknn.tasks.describe import describe

        facts = describe(file, names=read_names(names), anchors=given_anchors(anchors))
    facts = {"file": str(file), "bytes": file.stat().st_size, **facts}
    if as_json:
        put_json(facts)
        return
    for key, value in facts.items():
        for number, line in enumerate(lines_of(value)):
            put(f"{key if number == 0 else '':<15} {line}")


def lines_of(value: Any) -> list[str]:
    """Return a fact as it is shown: on a line where it fits, else an entry a line, texts several on one."""
    text = value if isinstance(value, str) else dumps(value)
    if len(text) <= WIDTH or isinstance(value, str):
        return [text]
    if isinstance(value, dict):
        return [f"{name}: {part}" for name, entry in value.items() for part in lines_of(entry)]
    if isinstance(value, list) and all(isinstance(entry, str) for entry in value):
        if any(" " in entry and len(entry) > WIDTH // 4 for entry in value) or len(value) < MANY:
            return value
        shown = [f"{len(value)} by number:", ""]
        for number, entry in enumerate(value):
            word = f"{number} {printable(entry)}"
            if shown[-1] and len(shown[-1]) + len(word) + 2 > WIDTH:
                shown.append("")
            shown[-1] += f", {word}" if shown[-1] else word
        return shown
    return [text]
