"""What is said of a graph before the build, each held against the vendor's real toolkit."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import needs_ort, needs_toolkit
from tests.fakes.tiny_onnx import Node, computed, embedding, of_nodes
from yolorknn import Place, Runner
from yolorknn.convert.analyze import analyze
from yolorknn.convert.recipe.preflight import ON_CPU, findings
from yolorknn.convert.recipe.prepared import prepare
from yolorknn.convert.recipe.request import BuildRequest
from yolorknn.convert.toolkit.log import Log
from yolorknn.convert.toolkit.toolkit import Toolkit
from yolorknn.errors import BuildError

pytestmark = [needs_ort, needs_toolkit]
SIDES = (1, 8, 6, 10)
X = np.random.default_rng(0).normal(size=SIDES).astype(np.float32)
LONG = 1e5
"""What float16 does not hold."""


def mean_net(path: Path, *, axes: Any = (2, 3), given: bool = False) -> Path:
    """Write a mean over height and width without kept axes, a Gemm behind; and a LayerNormalization, bare."""
    more = {"axes": np.array(axes)} if given else {}
    attributes: dict[str, Any] = {} if given else {"axes": axes}
    nodes: list[Node] = [
        ("ReduceMean", ["x", *more], "m", {"keepdims": 0, **attributes}),
        ("Gemm", ["m", "w"], "y", {}),
        ("LayerNormalization", ["x", "scale"], "z", {}),
        ("MatMul", ["x", "long"], "infinite", {}),
        ("ReduceMean", ["x", *more], "last", {"keepdims": 0, **attributes}),
    ]
    weights = {"w": np.eye(8, 3, dtype=np.float32), "scale": np.linspace(1, 2, 10, dtype=np.float32), **more}
    weights["long"] = np.full((10, 1), LONG, np.float32)
    return of_nodes(
        path,
        nodes,
        {"x": SIDES},
        {"y": (1, 3), "z": SIDES, "infinite": (1, 8, 6, 1), "last": (1, 8)},
        weights,
        opset=19 if given else 17,
    )


def refused(name: str, path: Path) -> Path:
    """Write what the toolkit does not build."""
    if name == "Resize":
        weights = {"s": np.array([1, 1, 2, 2], np.float32)}
        nodes: list[Node] = [("Resize", ["x", "", "s"], "y", {"mode": "cubic"})]
        return of_nodes(path, nodes, {"x": SIDES}, {"y": (1, 8, 12, 20)}, weights)
    nodes = [("NonZero", ["x"], "i", {}), ("Cast", ["i"], "f", {"to": 1}), ("ReduceSum", ["f"], "y", {"keepdims": 0})]
    return of_nodes(path, nodes, {"x": SIDES}, {"y": ()}, {})


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("NonZero", "NonZero i gives as many values as it finds"),
        ("Resize", "Resize y with mode cubic ends the toolkit with a segmentation fault: resize with mode linear"),
    ],
)
def test_what_cannot_be_built_is_refused(tmp_path: Path, name: str, said: str) -> None:
    with pytest.raises(BuildError, match=rf"net.onnx cannot be built: {said}"):
        prepare(refused(name, tmp_path / "net.onnx"), tmp_path / "out.onnx")


@pytest.mark.parametrize(("axes", "given"), [((2, 3), False), ((-1, -2), False), ((3, 2), True)])
def test_what_is_changed_computes_the_same(tmp_path: Path, axes: tuple[int, int], given: bool) -> None:
    import onnx

    source = mean_net(tmp_path / "net.onnx", axes=axes, given=given)
    prepare(source, tmp_path / "out.onnx")
    before, after = computed(source, {"x": X}), computed(tmp_path / "out.onnx", {"x": X})
    assert before.keys() == after.keys() == {"y", "z", "infinite", "last"}
    assert all(np.array_equal(before[name], after[name]) and before[name].shape == after[name].shape for name in before)
    nodes = {node.op_type: node for node in onnx.load(str(tmp_path / "out.onnx")).graph.node}
    assert nodes.keys() == {"ReduceMean", "Flatten", "Gemm", "LayerNormalization", "MatMul"}
    assert {entry.name for entry in nodes["LayerNormalization"].attribute} == {"axis", "epsilon"}


def test_means_that_build_are_left_alone(tmp_path: Path) -> None:
    for number, axis in enumerate((3, 1)):
        sides = np.mean(X, axis=axis).shape
        nodes: list[Node] = [("ReduceMean", ["x"], "m", {"keepdims": 0, "axes": [axis]}), ("Relu", ["m"], "y", {})]
        source = of_nodes(tmp_path / f"{number}.onnx", nodes, {"x": SIDES}, {"y": sides}, {})
        prepare(source, tmp_path / "out.onnx")
        assert (tmp_path / "out.onnx").read_bytes() == source.read_bytes()


def test_findings(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    import onnx

    weights = {"w": np.full((10, 4), LONG, np.float32)}
    nodes: list[Node] = [
        ("Shape", ["x"], "s", {}),
        ("Cast", ["s"], "f", {"to": 1}),
        ("Cos", ["f"], "unseen", {}),  # what comes of a shape is computed once
        ("Sin", ["x"], "c", {}),
        ("TopK", ["c", "k"], "y", {}),
        ("MatMul", ["x", "w"], "z", {}),
    ]
    net = of_nodes(
        tmp_path / "net.onnx", nodes[3:], {"x": SIDES}, {"z": (1, 8, 6, 4)}, {**weights, "k": np.array([3])}, also=["i"]
    )
    one, two = findings(onnx.load(str(net)), "fp16")
    assert one.startswith("Sin, TopK will run on the CPU, for which the NPU waits")
    assert two.startswith(
        "weights w of MatMul z go up to 100000, and float16 ends at 65504: its outputs will be infinite"
    )
    assert len(list(findings(onnx.load(str(net)), "i8"))) == 1
    shaped = of_nodes(tmp_path / "shaped.onnx", [*nodes[:3], ("Abs", ["x"], "y", {})], {"x": SIDES}, {"y": SIDES}, {})
    assert list(findings(onnx.load(str(shaped)), "fp16")) == []
    (ids,) = findings(onnx.load(str(embedding(tmp_path / "ids.onnx"))), "fp16")
    assert ids == "input ids is int64, in which the NPU does not compute: what takes it runs on the CPU"


@pytest.mark.toolkit
def test_what_is_changed_builds_and_what_is_said_to_be_infinite_is(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    net = mean_net(tmp_path / "net.onnx")
    with caplog.at_level(logging.WARNING), Runner(net, place=Place(simulate=True)) as runner:
        found = runner.run(x=X)
    assert any("weights long of MatMul infinite go up to 100000" in record.message for record in caplog.records)
    expected = computed(net, {"x": X})
    assert np.isfinite(expected.pop("infinite")).all() and not np.isfinite(found["infinite"]).all()
    for name, values in expected.items():
        assert np.abs(found[name] - values).max() <= 0.01 and found[name].shape == values.shape


@pytest.mark.toolkit
@pytest.mark.slow
def test_the_toolkit_fails_of_what_is_changed_or_refused(tmp_path: Path) -> None:
    """If one day it does not, the findings are to be left out."""
    norm = of_nodes(
        tmp_path / "norm.onnx",
        [("LayerNormalization", ["x", "a"], "y", {})],
        {"x": SIDES},
        {"y": SIDES},
        {"a": np.ones(10, np.float32)},
    )
    mean = of_nodes(
        tmp_path / "mean.onnx",
        [("ReduceMean", ["x"], "m", {"keepdims": 0, "axes": (2, 3)}), ("Relu", ["m"], "y", {})],
        {"x": SIDES},
        {"y": (1, 8)},
        {},
    )
    names = ("NonZero", "Resize")
    others = [refused(name, tmp_path / f"{name}.onnx") for name in names]
    said = ("KeyError: 'LayerNormalization'", "Invalid rank for input", "Remove NonZero", "signal SIGSEGV")
    with Toolkit(Log(tmp_path / "x.log")) as toolkit:
        for net, words in zip((norm, mean, *others), said, strict=True):
            rknn = toolkit.rknn()
            rknn.do("config", target_platform="rk3588")
            with pytest.raises(BuildError, match=words):
                rknn.do("load_onnx", model=net)
                rknn.do("build", do_quantization=False)


FEW = {"Det", "GridSample", "OneHot", "Trilu", "ScatterND", "ScatterElements", "GatherND", "Expand", "TopK", "Mod"}
"""What takes more than an input, or gives another shape: a node each below."""


@pytest.mark.toolkit
@pytest.mark.slow
def test_what_is_said_to_run_on_the_cpu_does(tmp_path: Path) -> None:
    several = {"Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Mean", "Min"}
    told, sides = (
        {"IsInf": 9, "IsNaN": 9, "ArgMax": 7, "ArgMin": 7},
        {"LpPool": (1, 8, 3, 5), "SpaceToDepth": (1, 32, 3, 5)},
    )
    attributes: dict[str, dict[str, Any]] = {
        "LpPool": {"kernel_shape": [2, 2], "strides": [2, 2]},
        "SpaceToDepth": {"blocksize": 2},
        "LRN": {"size": 3},
        **{name: {"axes": (2, 3)} for name in ON_CPU if name.startswith("Reduce")},
        **{name: {"axis": 1} for name in ("ArgMax", "ArgMin")},
    }
    weights: dict[str, Any] = {
        "w": np.eye(8, dtype=np.float32).reshape(8, 8, 1, 1),
        "k": np.full((1, 8, 1, 1), 1.5, np.float32),
        "three": np.array([3]),
        "sides": np.array([2, 8, 6, 10]),
        "places": np.array([[0, 0, 0, 0], [0, 1, 2, 3]]),
        "two": np.array([1, 2], np.float32),
        "row": np.zeros((1, 1, 6, 10), np.int64),
        "zero": np.zeros((1, 1, 6, 10), np.float32),
        "grid": np.zeros((1, 4, 4, 2), np.float32),
    }
    nodes: list[Any] = [("Conv", ["x", "w"], "c", {})]
    outputs: dict[str, Any] = {}
    kinds: dict[str, int] = {}
    for name in sorted(ON_CPU - FEW):
        inputs = ["c", "k"] if name in several else ["c"]
        nodes.append((name, inputs, name, attributes.get(name, {})))
        kept = (1, 8, 1, 1) if name.startswith("Reduce") else (1, 1, 6, 10)
        outputs[name] = sides.get(name, kept if name.startswith(("Reduce", "Arg")) else SIDES)
        kinds[name] = 9 if name in several - {"Mean", "Min"} else told.get(name, 1)
    few = [
        ("TopK", ["c", "three"], "TopK", {"axis": 1}, (1, 3, 6, 10)),
        ("Mod", ["c", "k"], "Mod", {"fmod": 1}, SIDES),
        ("Expand", ["c", "sides"], "Expand", {}, (2, 8, 6, 10)),
        ("GatherND", ["c", "places"], "GatherND", {}, (2,)),
        ("ScatterND", ["c", "places", "two"], "ScatterND", {}, SIDES),
        ("ScatterElements", ["c", "row", "zero"], "ScatterElements", {"axis": 1}, SIDES),
        ("GridSample", ["c", "grid"], "GridSample", {}, (1, 8, 4, 4)),
    ]
    nodes += [node[:4] for node in few]
    outputs |= {node[2]: node[4] for node in few}
    net = of_nodes(tmp_path / "net.onnx", nodes, {"x": SIDES}, outputs, weights, opset=17, also=["i"], kinds=kinds)
    found = analyze(BuildRequest(net, generic=True))
    on_cpu = {layer.op for layer in found.layers if layer.target == "CPU"}
    assert ON_CPU - on_cpu == {"Det", "OneHot", "Trilu"}, "of square matrices, of integers"
