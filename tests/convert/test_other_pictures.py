"""ONNX of others that scale their pixels, take them as whole numbers, or have their outputs in another order."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tests.conftest import DATASET, needs_ort, needs_toolkit, needs_torch
from tests.fakes.other_onnx import Change, changed, found_by
from yolorknn import BuildError, MetadataError
from yolorknn.convert.build import build
from yolorknn.convert.recipe.prepared import prepare
from yolorknn.model import onnx_file
from yolorknn.tasks.known import metadata_of

pytestmark = [needs_torch, needs_ort]


def first(*nodes: onnx.NodeProto, kind: int = TensorProto.FLOAT) -> Change:
    """Put nodes before the first layer, from `images` to `seen`; c255 and c1 are constants."""

    def change(model: onnx.ModelProto) -> onnx.ModelProto:
        for node in model.graph.node:
            node.input[:] = ["seen" if name == "images" else name for name in node.input]
        model.graph.initializer.append(numpy_helper.from_array(np.full((1, 1, 1, 1), 255, np.float32), "c255"))
        model.graph.initializer.append(numpy_helper.from_array(np.float32(1 / 255), "c1"))
        model.graph.initializer.append(numpy_helper.from_array(np.array([2, 1, 0]), "bgr"))
        model.graph.input[0].type.tensor_type.elem_type = kind
        for node in reversed(nodes):
            model.graph.node.insert(0, node)
        return model

    return change


CAST = helper.make_node("Cast", ["images"], ["cast"], to=TensorProto.FLOAT)
DIVIDED = first(helper.make_node("Div", ["images", "c255"], ["seen"]))
MULTIPLIED = first(helper.make_node("Mul", ["c1", "images"], ["seen"]))
BYTES = first(CAST, helper.make_node("Div", ["cast", "c255"], ["seen"]), kind=TensorProto.UINT8)
INTEGERS = first(CAST, helper.make_node("Mul", ["cast", "c1"], ["seen"]), kind=TensorProto.INT32)
COMPUTED = first(
    helper.make_node("Transpose", ["images"], ["moved"], perm=[0, 1, 2, 3]),
    helper.make_node("Cast", ["moved"], ["cast"], to=TensorProto.FLOAT),
    helper.make_node("Div", ["cast", "c255"], ["seen"]),
    kind=TensorProto.UINT8,
)


@pytest.mark.parametrize("change", [DIVIDED, MULTIPLIED, BYTES, INTEGERS], ids=["div", "mul", "uint8", "int32"])
def test_pixels_that_the_graph_scales_are_not_scaled_before(plain: Path, tmp_path: Path, change: Change) -> None:
    other = changed(plain, tmp_path, change)
    assert metadata_of(onnx_file.read(other)).std == (1, 1, 1)
    found, expected = found_by(other), found_by(plain)
    assert len(found) == len(expected) > 0
    assert found.xyxy.ravel() == pytest.approx(expected.xyxy.ravel(), abs=0.1)
    prepare(other, tmp_path / "ready.onnx", pictures=True)
    assert found_by(tmp_path / "ready.onnx").xyxy.ravel() == pytest.approx(expected.xyxy.ravel(), abs=0.1)
    assert onnx_file.read(tmp_path / "ready.onnx").inputs[0].dtype == "float", "of others the toolkit takes no std"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (first(helper.make_node("Sub", ["images", "c1"], ["seen"])), r"computes with its pixels first \(Sub\)"),
        (first(helper.make_node("Gather", ["images", "bgr"], ["seen"], axis=1)), r"pixels first \(Gather\)"),
        (first(helper.make_node("Mul", ["images", "c255"], ["seen"])), r"first \(scaling by 0.00392"),
        (first(CAST, helper.make_node("Div", ["cast", "c255"], ["seen"]), kind=TensorProto.INT8), "pixels as int8"),
    ],
)
def test_what_else_is_done_to_pixels_is_refused(plain: Path, tmp_path: Path, change: Change, words: str) -> None:
    with pytest.raises(MetadataError, match=f"{words}.*not known which pixels it wants.*--generic"):
        metadata_of(onnx_file.read(changed(plain, tmp_path, change)))


def test_whole_numbers_that_are_computed_with_are_not_built(plain: Path, tmp_path: Path) -> None:
    other = changed(plain, tmp_path, COMPUTED)
    assert len(found_by(other)) > 0
    with pytest.raises(BuildError, match="takes its pictures as whole numbers and computes with them"):
        prepare(other, tmp_path / "ready.onnx", pictures=True)


@needs_toolkit
@pytest.mark.toolkit
@pytest.mark.slow
def test_pictures_of_bytes_are_built(plain: Path, tmp_path: Path) -> None:
    other = changed(plain, tmp_path, BYTES)
    expected = found_by(other).xyxy.ravel()
    for dataset, off in ((None, 1), (DATASET / "images/0000.jpg", 8)):
        made = build(other, dataset=dataset, output=tmp_path)
        assert found_by(made, simulate=True).xyxy.ravel() == pytest.approx(expected, abs=off)


@pytest.mark.parametrize("order", ["box8 box16 box32 cls8 cls16 cls32", "cls32 cls16 cls8 box8 box16 box32"])
def test_outputs_may_be_boxes_first_and_then_classes(plain: Path, tmp_path: Path, order: str) -> None:
    def reordered(model: onnx.ModelProto) -> onnx.ModelProto:
        outputs = {output.name: output for output in model.graph.output}
        del model.graph.output[:]
        model.graph.output.extend(outputs[name] for name in order.split())
        return model

    other = changed(plain, tmp_path, reordered)
    assert [output.name for output in metadata_of(onnx_file.read(other)).outputs] == order.split()
    found, expected = found_by(other), found_by(plain)
    assert len(found) > 0 and np.array_equal(found.xyxy, expected.xyxy)


def test_a_side_below_zero_is_open(plain: Path, tmp_path: Path) -> None:
    def any_batch(model: onnx.ModelProto) -> onnx.ModelProto:
        for info in [*model.graph.input, *model.graph.output]:
            info.type.tensor_type.shape.dim[0].dim_value = -1
        return model

    other = changed(plain, tmp_path, any_batch)
    assert onnx_file.read(other).inputs[0].shape == (1, 3, 96, 96)
    assert len(found_by(other)) > 0
