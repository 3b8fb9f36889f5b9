"""docs/toolkit.md has a row for each parameter of the installed toolkit, and names only what exists here."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT, needs_toolkit
from yolorknn.convert.recipe import config

TEXT = (ROOT / "docs/toolkit.md").read_text()
ROWS = [(call, name) for call, name in re.findall(r"^\| `(\w+)` \| (?:`([\w*]+)`)? ?\|", TEXT, re.MULTILINE)]

SIGNATURES = """
import inspect, json
from rknn.api import RKNN
print(json.dumps([
    [name, ("**" if parameter.kind is parameter.VAR_KEYWORD else "") + parameter.name]
    for name, function in inspect.getmembers(RKNN, inspect.isfunction)
    for parameter in [*inspect.signature(function).parameters.values()][1:] or [None]
    if parameter is not None
] + [[name, ""] for name, function in inspect.getmembers(RKNN, inspect.isfunction)
     if len(inspect.signature(function).parameters) == 1]))
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, str]]:
    command = [sys.executable, "-W", "ignore", "-c", SIGNATURES]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path_factory.mktemp("cwd"))
    return [(call, name) for call, name in json.loads(done.stdout.splitlines()[-1])]


@needs_toolkit
@pytest.mark.toolkit
def test_every_parameter_has_one_row(installed: list[tuple[str, str]]) -> None:
    assert len(ROWS) == len(set(ROWS))
    assert {row for row in installed if row not in ROWS} == set(), "not in docs/toolkit.md"
    assert {row for row in ROWS if row not in installed} == set(), "not in the toolkit"


@needs_toolkit
@pytest.mark.toolkit
def test_names_read_from_the_source_are_those_of_the_signatures(installed: list[tuple[str, str]]) -> None:
    for call in {call for call, _ in installed}:
        assert [*config.parameters(call)] == [name for c, name in installed if c == call and name.isidentifier()]


def test_the_options_it_names_exist() -> None:
    commands = "export", "build", "detect", "bench", "analyze"
    helps = [
        subprocess.run(
            [sys.executable, "-m", "yolorknn", command, "-h"], capture_output=True, text=True, check=True, cwd=ROOT
        ).stdout
        for command in commands
    ]
    for option in set(re.findall(r"`[^`\n]*?(--[a-z][\w-]+)", TEXT)) - {"--option"}:
        assert any(re.search(rf"{option}\b", text) for text in helps), option


@needs_toolkit
@pytest.mark.toolkit
def test_the_example_is_read(tmp_path: Path) -> None:
    (example,) = re.findall(r"^```toml\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
    file = tmp_path / "x.toml"
    file.write_text(example)
    options = config.read(file)
    assert options.algorithm == "kl_divergence" and options.config["model_pruning"] is True
    assert options.custom_hybrid == (("/model.1/act/Mul_output_0", "/model.2/cv1/act/Mul_output_0"),)
    assert options.load == {"input_size_list": [[1, 3, 320, 320]]}
