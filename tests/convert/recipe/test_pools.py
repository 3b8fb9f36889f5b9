"""Averages that become convolutions compute what they did, and lose less in int8."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import needs_ort, needs_toolkit
from tests.fakes.tiny_onnx import computed, of_nodes
from yolorknn.convert.build import build
from yolorknn.convert.recipe.prepared import prepare
from yolorknn.predict.open_model import Place
from yolorknn.predict.runner import Runner

pytestmark = needs_ort
X = np.random.default_rng(0).normal(size=(1, 5, 12, 16)).astype(np.float32)


def pool(path: Path, gives: tuple[int, int], **attributes: Any) -> Path:
    nodes = [("AveragePool", ["x"], "m", attributes), ("Relu", ["m"], "y", {})]
    return of_nodes(path, nodes, {"x": X.shape}, {"y": (1, 5, *gives)}, {}, opset=19)


@pytest.mark.parametrize(
    ("attributes", "gives", "op"),
    [
        ({"kernel_shape": [4, 2], "strides": [4, 2]}, (3, 8), "Conv"),
        ({"kernel_shape": [2, 2]}, (11, 15), "Conv"),
        ({"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "count_include_pad": 1}, (12, 16), "Conv"),
        ({"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}, (12, 16), "AveragePool"),  # divides by less at the edge
        ({"kernel_shape": [5, 5], "strides": [5, 5], "ceil_mode": 1}, (3, 4), "AveragePool"),
        ({"kernel_shape": [3, 3], "auto_pad": "SAME_UPPER"}, (12, 16), "AveragePool"),
        ({"kernel_shape": [2, 2], "dilations": [2, 2]}, (10, 14), "AveragePool"),
        ({"kernel_shape": [12, 16]}, (1, 1), "AveragePool"),  # of which the toolkit makes convolutions
    ],
)
def test_what_is_computed_stays(tmp_path: Path, attributes: dict[str, Any], gives: tuple[int, int], op: str) -> None:
    import onnx

    source, made = pool(tmp_path / "net.onnx", gives, **attributes), tmp_path / "out.onnx"
    prepare(source, made, averages=True)
    assert [node.op_type for node in onnx.load(str(made)).graph.node] == [op, "Relu"]
    assert np.abs(computed(made, {"x": X})["y"] - computed(source, {"x": X})["y"]).max() <= 1e-6
    prepare(source, made)
    assert made.read_bytes() == source.read_bytes()


@needs_toolkit
@pytest.mark.toolkit
@pytest.mark.slow
def test_an_average_in_int8_is_not_as_rough_as_its_input(tmp_path: Path) -> None:
    """A rounding to the input's scale alone costs 0.0007 of the cosine here."""
    source = pool(tmp_path / "net.onnx", (3, 4), kernel_shape=[4, 4], strides=[4, 4])
    rows = np.random.default_rng(1).normal(size=(8, *X.shape)).astype(np.float32)
    for number, row in enumerate(rows):
        np.save(tmp_path / f"{number}.npy", row)
    (tmp_path / "list.txt").write_text("".join(f"{number}.npy\n" for number in range(len(rows))))
    made = build(source, generic=True, dataset=tmp_path / "list.txt")
    with Runner(made, place=Place(simulate=True)) as runner:
        found = runner.run(x=X)["y"].ravel()
    expected = computed(source, {"x": X})["y"].ravel()
    assert found @ expected / np.linalg.norm(found) / np.linalg.norm(expected) >= 0.9998
