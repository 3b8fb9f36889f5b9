"""`yolorknn info`: what a model file says of itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from yolorknn.cli.options import AsJson
from yolorknn.cli.show import put, put_json
from yolorknn.files import check_model_file


def info_command(
    file: Annotated[Path, typer.Argument(help="A .pt, .onnx or .rknn.", metavar="FILE")],
    as_json: AsJson = False,
) -> None:
    """Say what a model file says of itself."""
    check_model_file(file)
    if file.suffix.lower() == ".pt":
        from yolorknn.convert.export.inspect import inspect

        facts = {"format": "pt", **inspect(file)}
    else:
        from yolorknn.tasks.describe import describe

        facts = describe(file)
    facts = {"file": str(file), "bytes": file.stat().st_size, **facts}
    if as_json:
        put_json(facts)
        return
    for key, value in facts.items():
        put(f"{key:<15} {value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}")
