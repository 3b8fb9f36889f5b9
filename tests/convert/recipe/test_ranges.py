"""The ranges of int8: means of the images' extremes, and one range where values are only moved."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import DATASET, DEMO_ONNX, needs_ort, needs_toolkit, needs_torch
from tests.fakes.families import make_checkpoint
from yolorknn.convert.recipe.cfg import put
from yolorknn.convert.recipe.ranges import FEWEST, Observed, observe, ranges_for, seen

CFG = """custom_quantize_layers: {}
quantize_parameters:
    images:
        qtype: asym
        dtype: float32
        min:
        -   0.0
        max:
        -   0.8
        scale: []
    /a/Conv_output_0:
        qtype: asym
        dtype: int8
        min:
        -   -2.0
        max:
        -   6.0
        scale:
        -   0.031372549019607843
        ori_min:
        -   -2.0
    q_scaled:
        min:
        -   -4.0
        max:
        -   12.0
    before a sigmoid:
        min:
        -   -7.0
        max:
        -   0.0
    of the toolkit:
        min:
        -   -1.5
        max:
        -   9.25
    per channel:
        min:
        -   -1.0
        -   -2.0
        max:
        -   1.0
        -   2.0
    cls8_int8:
        min:
        -   0.0
        max:
        -   0.5
    box8:
        min:
        -   -3.0
        max:
        -   4.0
"""


def narrow(cfg: str, observed: Observed) -> tuple[str, list[str]]:
    ranges, left = ranges_for(cfg, observed)
    return put(cfg, ranges), left


def test_narrowed_ranges() -> None:
    extremes = {
        "/a/Conv_output_0": np.array([[-2.0, 6.0], [-1.0, 2.0]]),
        "before a sigmoid": np.array([[-16.0, -9.0], [-14.0, 12.0]]),
        "cls8": np.array([[0.0, 0.1], [0.0, 0.3]]),
        "box8": np.array([[-3.0, 4.0], [-5.0, 3.0]]),
    }
    none: frozenset[str] = frozenset()
    measured = Observed(extremes, frozenset({"images"}), frozenset({"cls8", "box8"}), none, (), none, (0.0, 1.0))
    text, left = narrow(CFG, measured)
    changed = [
        (before, after) for before, after in zip(CFG.splitlines(), text.splitlines(), strict=True) if before != after
    ]
    assert left == ["of the toolkit"]
    assert changed == [
        ("        -   0.8", "        -   1.0"),  # white is white, whatever the first image shows
        ("        -   -2.0", "        -   -1.5"),
        ("        -   6.0", "        -   4.0"),
        ("        -   -4.0", "        -   -3.0"),  # a multiple of it
        ("        -   12.0", "        -   8.0"),
        ("        -   0.0", "        -   1.5"),
        ("        -   0.5", "        -   1.0"),  # scores
        ("        -   -3.0", "        -   -5.0"),  # an output: all of it
    ]
    assert narrow(text, Observed({}, none, none, none, (), none, (0.0, 1.0)))[0] == text
    full, _ = narrow(CFG, replace(measured, logits=frozenset({"before a sigmoid", "/a/Conv_output_0"})))
    ends = [
        (before, after) for before, after in zip(text.splitlines(), full.splitlines(), strict=True) if before != after
    ]
    assert ends == [("        -   4.0", "        -   6.0"), ("        -   1.5", "        -   12.0")], (
        "of scores, the highest"
    )
    places, _ = narrow(CFG, replace(measured, places=frozenset({"/a/Conv_output_0"})))
    ends = [
        (before, after) for before, after in zip(text.splitlines(), places.splitlines(), strict=True) if before != after
    ]
    assert ends == [
        ("        -   -1.5", "        -   -2.0"),
        ("        -   4.0", "        -   6.0"),
        ("        -   -3.0", "        -   -4.0"),
        ("        -   8.0", "        -   12.0"),
    ], "what leads to places alone, all of it, and multiples of it"


def test_a_tensor_of_the_same_name_and_other_values_is_left_alone() -> None:
    other = Observed(
        {"/a/Conv_output_0": np.array([[-9.0, 7.0]])},
        frozenset(),
        frozenset(),
        frozenset(),
        (),
        frozenset(),
        (0.0, 1.0),
    )
    assert narrow(CFG, other)[0] == CFG


@needs_ort
def test_measured_extremes_are_those_of_the_tensors(tmp_path: Path) -> None:
    """Against the tensors themselves, fetched from onnxruntime."""
    import onnx
    import onnxruntime

    arrays = []
    for number in range(2):
        arrays.append(tmp_path / f"{number}.npy")
        np.save(arrays[-1], np.random.default_rng(number).integers(0, 256, (1, 3, 320, 320)).astype(np.uint8))
    places = [f"box{stride}" for stride in (8, 16, 32)]
    measured = observe(DEMO_ONNX, arrays, mean=(0, 0, 0), std=(255, 255, 255), places=places)
    assert measured.inputs == {"images"} and measured.outputs == set(measured.extremes) & measured.outputs
    model = onnx.load(str(DEMO_ONNX))
    makers = {name: node for node in model.graph.node for name in node.output}
    assert measured.logits == {makers[f"cls{stride}"].input[0] for stride in (8, 16, 32)}
    branch = {name for name in measured.extremes if name.startswith("/model.22/cv2.")}
    assert measured.places & measured.extremes.keys() == branch and len(branch) == 18
    chosen = ["/model.0/conv/Conv_output_0", "/model.9/m/MaxPool_output_0", "box8"]
    for name in chosen[:2]:
        model.graph.output.append(onnx.ValueInfoProto(name=name))
    session = onnxruntime.InferenceSession(model.SerializeToString())
    for number, array in enumerate(arrays):
        values = session.run(chosen, {"images": np.load(array).astype(np.float32) / 255})
        for name, value in zip(chosen, values, strict=True):
            assert measured.extremes[name][number] == pytest.approx((value.min(), value.max()), rel=1e-4)


def test_the_toolkit_sees_the_first_image(tmp_path: Path) -> None:
    listing = tmp_path / "dataset.txt"
    listing.write_text("00000.npy\n00001.npy\n")
    assert seen(listing).read_text() == "00000.npy\n" and FEWEST >= 2


def test_one_range_where_values_are_only_moved() -> None:
    """The widest of a group's; a tensor that the toolkit has not, or one of no known range, changes nothing."""
    extremes = {
        "/a/Conv_output_0": np.array([[-2.0, 6.0], [-1.0, 2.0]]),
        "before a sigmoid": np.array([[-16.0, -9.0], [-14.0, 12.0]]),
    }
    none: frozenset[str] = frozenset()
    alike = (frozenset({"/a/Conv_output_0", "before a sigmoid", "of the toolkit", "fused away"}),)
    text, left = narrow(CFG, Observed(extremes, none, none, none, alike, none, (0.0, 1.0)))
    assert left == ["images", "of the toolkit", "cls8_int8", "box8"]
    for name in ("/a/Conv_output_0", "before a sigmoid"):
        entry = text.partition(f"    {name}:\n")[2].partition("        min:\n")[2].split()[:5]
        assert entry == ["-", "-7.0", "max:", "-", "4.0"]


@needs_torch
@needs_toolkit
@pytest.mark.toolkit
@pytest.mark.builds
def test_the_toolkit_builds_with_mean_ranges(tmp_path: Path) -> None:
    """Also where it has tensors of its own, as 2.5.0 has in an attention; it prints which ranges were changed."""
    from yolorknn.convert.build import build
    from yolorknn.convert.export.export import export

    onnx = export(make_checkpoint("yolo11n.yaml", tmp_path, names=("a", "b"), imgsz=192), imgsz=(192, 192))
    (tmp_path / "images.txt").write_text("".join(f"{image}\n" for image in sorted((DATASET / "images").iterdir())[:3]))
    log = build(onnx, dataset=tmp_path / "images.txt").with_suffix(".log").read_text(errors="replace")
    assert log.count("were changed") > 150  # of some 230 tensors


@needs_ort
@pytest.mark.parametrize(("scale", "shared"), [(1.0, True), (0.6, True), (0.4, False)])
def test_which_tensors_share_a_range(scale: float, shared: bool, tmp_path: Path) -> None:
    """Split, MaxPool and a Concat's wide inputs; no output, nothing behind an op that computes."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    nodes = [
        helper.make_node("Mul", ["images", "one"], ["wide"]),
        helper.make_node("Mul", ["images", "scale"], ["narrow"]),
        helper.make_node("Split", ["wide"], ["left", "right"], axis=3),
        helper.make_node("MaxPool", ["narrow"], ["pooled"], kernel_shape=[1, 2], strides=[1, 2]),
        helper.make_node("Concat", ["left", "pooled"], ["joined"], axis=1),
        helper.make_node("Relu", ["joined"], ["positive"]),
        helper.make_node("Reshape", ["positive", "shape"], ["out"]),
    ]
    weights = {"one": np.float32(1), "scale": np.float32(scale), "shape": np.array([1, 6, -1])}
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, 8, 8])],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, [1, 6, 32])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 12)], ir_version=8)
    onnx.save(model, str(tmp_path / "m.onnx"))
    np.save(tmp_path / "0.npy", np.random.default_rng(0).integers(0, 256, (1, 3, 8, 8)).astype(np.uint8))
    measured = observe(tmp_path / "m.onnx", [tmp_path / "0.npy"], mean=(0, 0, 0), std=(255, 255, 255))
    first, second = {"wide", "left", "right", "joined"}, {"narrow", "pooled"}
    assert set(measured.alike) == ({frozenset(first | second)} if shared else {frozenset(first), frozenset(second)})
