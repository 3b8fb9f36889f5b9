"""The rows of docs/toolkit.md, and what their examples ask of the toolkit."""

from __future__ import annotations

import re
import shlex
import sys
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from typer.testing import CliRunner

from tests.conftest import ROOT
from yolorknn.cli.app import app
from yolorknn.convert.toolkit.toolkit import Toolkit

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

TEXT = (ROOT / "docs/toolkit.md").read_text()
ALONE = ("remove_weight", "dynamic_input", "inputs_yuv_fmt", "load.", "proposal", "custom_hybrid")
"""Keys of the file of options of which an example is built alone; what is [config]'s otherwise goes into one build."""
BEHIND_TENSORFLOW = ("load_tflite", "load_tensorflow")
"""Calls whose examples run where TensorFlow is, in tests/convert/test_tensorflow.py."""
AS_ARRAYS = ("input_initial_val", "proposal", "custom_hybrid")
"""Keys whose value the toolkit is given in another form."""


class Row(NamedTuple):
    """One row."""

    call: str
    parameter: str
    here: str
    words: tuple[str, ...] = ()
    """Of the example's command."""
    toml: tuple[str, ...] = ()
    """Lines of the example's file of options."""


def _row(call: str, parameter: str, here: str, example: str) -> Row:
    spans = re.findall(r"`([^`]+)`", example)
    toml = tuple(span for span in spans if " = " in span)
    words = tuple(word for span in spans if " = " not in span for word in shlex.split(span))
    if spans and words[:1] != ("yolorknn",):
        words = ("yolorknn", "build", "net.onnx", "--generic", *words)
    return Row(call, parameter, here, words, toml)


_CELLS = re.compile(r"^\| `(\w+)` \| (?:`([\w*]+)` )?\| (.*?) \| (.*?) ?\|$", re.MULTILINE)
ROWS = [_row(*cells) for cells in _CELLS.findall(TEXT)]


def examples(rows: list[Row]) -> dict[tuple[tuple[str, ...], tuple[str, ...]], list[Row]]:
    """Return the rows by what is to be run for them: words, and lines of the file of options."""
    lines: dict[tuple[str, ...], set[str]] = defaultdict(set)
    found: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for row in rows:
        if not any(key in line for line in row.toml for key in ALONE):
            lines[row.words].update(row.toml)
    for row in rows:
        alone = any(key in line for line in row.toml for key in ALONE)
        found[row.words, row.toml if alone else tuple(sorted(lines[row.words]))].append(row)
    return dict(found)


def asked(words: tuple[str, ...], toml: tuple[str, ...], place: Path) -> dict[tuple[str, str], Any]:
    """Run an example in `place`, where its files are, and return what the toolkit was given by call and parameter.

    Without a board, a command for one is refused, and the toolkit given nothing.
    """
    calls: dict[tuple[str, str], Any] = {}
    real = Toolkit.ask

    def ask(self: Toolkit, call: str, on: str, arguments: Mapping[str, Any]) -> Any:
        calls.update({(call, name): value for name, value in arguments.items()})
        return real(self, call, on, arguments)

    if toml:
        (place / "options.toml").write_text("\n".join(toml))
        words = (*words, "--config", "options.toml")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        patch.setattr(Toolkit, "ask", ask)
        done = CliRunner().invoke(app, words[1:])
    if "--device" in words:
        assert "adb finds no board" in str(done.exception), words
    else:
        assert done.exit_code == 0, (words, toml, done.output, done.exception)
    return calls


def check(row: Row, calls: Mapping[tuple[str, str], Any]) -> None:
    """Check that the toolkit was given a row's parameter, with the value that the example says."""
    call = "RKNN" if row.call == "__init__" else row.call
    stated = {key: value for line in row.toml for key, value in tomllib.loads(line).items()}
    own = stated.get("config", stated.get("load", stated))
    for name in own if row.parameter == "**kwargs" else [row.parameter]:
        value = calls[call, name]
        assert value is not None and (value is not False or own.get(name) is False), row
        if name in own and name not in AS_ARRAYS:
            assert value == own[name], row
