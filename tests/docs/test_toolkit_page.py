"""docs/toolkit.md has a row for each parameter of the installed toolkit, and names only what exists here."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import ROOT, needs_ort, needs_toolkit, needs_torch
from tests.docs import toolkit_rows
from tests.docs.toolkit_rows import BEHIND_TENSORFLOW, TEXT, asked, check, examples
from tests.fakes.other_formats import caffe_net, darknet_net
from tests.fakes.tiny_onnx import SWISH, Node, of_nodes, swish_net
from yolorknn.convert.build import build
from yolorknn.convert.recipe import config
from yolorknn.toolkits.installed import choose

ROWS = [row[:2] for row in toolkit_rows.ROWS]

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
        assert [*config.parameters(call, choose())] == [
            name for c, name in installed if c == call and name.isidentifier()
        ]


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


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files that the examples name: small models, and one of them built."""
    import torch

    folder = tmp_path_factory.mktemp("rows")
    rng = np.random.default_rng(0)
    sides = {"w1": (8, 3, 3, 3), "w2": (8, 8, 3, 3)}
    weights = {name: rng.normal(size=shape).astype(np.float32) / 3 for name, shape in sides.items()}
    nodes: list[Node] = [
        ("Conv", ["image", "w1"], "c1", {"pads": [1] * 4}),
        ("Relu", ["c1"], "hidden", {}),
        ("Conv", ["hidden", "w2"], "c2", {"pads": [1] * 4}),
        ("Relu", ["c2"], "last", {}),
        ("GlobalAveragePool", ["last"], "y", {}),
    ]
    of_nodes(folder / "net.onnx", nodes, {"image": (1, 3, 16, 16)}, {"y": (1, 8, 1, 1)}, weights)
    of_nodes(folder / "two.onnx", [("Add", ["a", "b"], "y", {})], dict.fromkeys("ab", (1, 8)), {"y": (1, 8)}, {})
    torch.jit.trace(torch.nn.Conv2d(3, 8, 3), torch.zeros(1, 3, 16, 16)).save(str(folder / "net.torchscript"))
    darknet_net(folder / "net.cfg")
    caffe_net(folder / "net.prototxt")
    swish_net(folder / "swish.onnx", custom=True)
    (folder / "swish.py").write_text(SWISH)
    for number in range(2):
        np.save(folder / f"{number}.npy", rng.normal(size=(1, 3, 16, 16)).astype(np.float32))
    (folder / "list.txt").write_text("0.npy\n1.npy\n")
    build(folder / "net.onnx", generic=True)
    return folder


def test_a_row_has_an_example_or_says_why_it_is_not_reached() -> None:
    assert [
        row for row in toolkit_rows.ROWS if not row.words and not row.here.startswith(("not used", "not called"))
    ] == []


@needs_torch
@needs_ort
@needs_toolkit
@pytest.mark.toolkit
@pytest.mark.slow
def test_the_example_of_each_row_is_run(place: Path, tmp_path: Path) -> None:
    """What a row says is what the toolkit is given, by the call of the row."""
    rows = [row for row in toolkit_rows.ROWS if row.words and row.call not in BEHIND_TENSORFLOW]
    for number, ((words, toml), of) in enumerate(examples(rows).items()):
        calls = asked(words, toml, Path(shutil.copytree(place, tmp_path / str(number))))
        for row in of if "--device" not in words else []:
            if row.parameter:
                check(row, calls)
