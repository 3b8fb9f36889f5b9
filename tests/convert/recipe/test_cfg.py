"""The quantization.cfg of models whose tensors have names that YAML does not write as they are."""

from __future__ import annotations

import json
from pathlib import Path

import onnx
import pytest
import yaml

from tests.conftest import DATASET, needs_ort, needs_toolkit, needs_torch
from tests.fakes import other_networks
from yolorknn.convert.build import build
from yolorknn.convert.recipe.cfg import put, ranges_in, with_float16
from yolorknn.model import rknn_file

NAMES = ("343", "1e3", "a b : x", "- q 'z'", "L" * 200, "long " * 60 + "x", "né/1", 'say "a"', "plain.1", "yes", "#1")
"""As old torch and TensorFlow number and chain them."""


def written(*names: str) -> str:
    """What the toolkit writes, by PyYAML."""
    said = json.dumps({"qtype": "asym", "dtype": "int8", "min": [-1.0], "max": [2.0], "scale": [], "ori_min": [-1.0]})
    whole = {"custom_quantize_layers": {}, "quantize_parameters": {name: json.loads(said) for name in names}}
    return str(yaml.safe_dump(whole, indent=4, sort_keys=False, allow_unicode=True))


def test_every_name_is_read() -> None:
    assert ranges_in(written(*NAMES)) == dict.fromkeys(NAMES, (-1.0, 2.0))


def test_what_is_put_is_yaml_of_the_same() -> None:
    text = put(written(*NAMES), {name: (-float(number), 0.5) for number, name in enumerate(NAMES)})
    tensors = yaml.safe_load(text)["quantize_parameters"]
    assert list(tensors) == list(NAMES)
    for number, name in enumerate(NAMES):
        assert (tensors[name]["min"], tensors[name]["max"]) == ([-float(number)], [0.5])
        assert tensors[name]["ori_min"] == [-1.0] and tensors[name]["scale"] == []
    assert put(written(*NAMES), {}) == written(*NAMES)


@pytest.mark.parametrize("some", [NAMES, NAMES[:1], ()])
def test_layers_in_float16(some: tuple[str, ...]) -> None:
    text = with_float16(written(*NAMES), some)
    assert yaml.safe_load(text)["custom_quantize_layers"] == dict.fromkeys(some, "float16")
    assert with_float16(text, some) == text, "those that are there already"


@needs_torch
@needs_ort
@needs_toolkit
@pytest.mark.toolkit
@pytest.mark.slow
def test_outputs_whose_names_are_numbers_stay_in_float16(tmp_path: Path) -> None:
    head = other_networks.yolox(3)
    path = other_networks.write(tmp_path / "x.onnx", head, names=["a", "b", "c"], pixels=1, colour="BGR")
    model = onnx.load(str(path))
    for number, output in enumerate(model.graph.output):
        (node,) = (node for node in model.graph.node if output.name in node.output)
        node.output[0] = output.name = str(343 + number)
    onnx.save(model, str(path))
    made = build(path, dataset=DATASET / "images/0000.jpg")
    assert {output.dtype for output in rknn_file.read(made).outputs} == {"float16"}
