"""ONNX as others write it: float16, quantized, newer, of any batch; run, and built as what it is."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from tests.conftest import DATASET, needs_ort, needs_toolkit, needs_torch
from tests.fakes.other_onnx import CHANGES, changed, external, found_by, quantized
from yolorknn import BuildError, CalibrationError, Detector, ModelError
from yolorknn.convert.build import build
from yolorknn.convert.recipe.build_options import BuildOptions
from yolorknn.convert.recipe.generic import loader_of
from yolorknn.convert.recipe.planned import check_scales
from yolorknn.convert.recipe.prepared import prepare
from yolorknn.convert.recipe.recorded import repeated
from yolorknn.convert.recipe.request import BuildRequest
from yolorknn.model import onnx_file, rknn_file
from yolorknn.model.metadata import ModelMetadata, Output
from yolorknn.tasks.known import metadata_of
from yolorknn.toolkits.installed import choose

pytestmark = [needs_torch, needs_ort]


@pytest.mark.parametrize("name", CHANGES)
def test_they_run_and_are_prepared_for_the_toolkit(
    plain: Path, tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    other = changed(plain, tmp_path, CHANGES[name])
    expected, found = found_by(plain), found_by(other)
    assert len(found) == len(expected) > 0
    assert found.xyxy.ravel() == pytest.approx(expected.xyxy.ravel(), abs=1)
    with caplog.at_level(logging.WARNING):
        prepare(other, tmp_path / "ready.onnx")
    said = {"half": [], "newer": ["opset 21"], "out of order": []}.get(name, ["batches of any size"])
    assert [word for word in said if word in caplog.text] == said
    ready = onnx.load(str(tmp_path / "ready.onnx"))
    onnx.checker.check_model(ready)
    assert ready.opset_import[0].version <= 19
    assert [side.dim_value for side in ready.graph.input[0].type.tensor_type.shape.dim] == [1, 3, 96, 96]
    again = found_by(tmp_path / "ready.onnx")
    assert again.xyxy.ravel() == pytest.approx(expected.xyxy.ravel(), abs=1)


@pytest.mark.parametrize("said", ["names of sides", "a type alone", "nothing"])
def test_outputs_that_are_left_open_follow_from_the_input(plain: Path, tmp_path: Path, said: str) -> None:
    """Where the input is not open: what runs is told and built too."""

    def less(model: onnx.ModelProto) -> onnx.ModelProto:
        for info in model.graph.output:
            if said == "nothing":
                info.ClearField("type")
            elif said == "a type alone":
                info.type.tensor_type.ClearField("shape")
            else:
                for side in info.type.tensor_type.shape.dim[1:]:
                    side.dim_param = "side"
        return model

    other = changed(plain, tmp_path, less)
    assert metadata_of(onnx_file.read(other)) == metadata_of(onnx_file.read(plain))
    assert len(found_by(other)) > 0


def test_a_size_that_is_open_is_refused_with_the_way(plain: Path, tmp_path: Path) -> None:
    def any_size(model: onnx.ModelProto) -> onnx.ModelProto:
        for info in [*model.graph.input, *model.graph.output]:
            for axis in (0, 2, 3):
                info.type.tensor_type.shape.dim[axis].dim_param = f"any{axis}"
        return model

    other = changed(plain, tmp_path, any_size)
    with pytest.raises(ModelError, match=r"dynamic shape \(images\): export it with a fixed size"):
        metadata_of(onnx_file.read(other))
    with pytest.raises(ModelError, match=r"dynamic shape \(images\)"):
        Detector(other)
    call, arguments = loader_of(other, {"input_size_list": [[1, 3, 96, 96]]}, tmp_path, choose())
    assert (call, arguments["inputs"], arguments["input_size_list"]) == ("load_onnx", ["images"], [[1, 3, 96, 96]])


@pytest.mark.parametrize(
    ("load", "words"),
    [
        ({"input_size_list": [[1, 3, 64, 64]]}, r"says \[1, 3, 64, 64\] for images, which in .* is \[1, 3, 96, 96\]"),
        ({"input_size_list": [[3, 96, 96]]}, "leave it out, or export the model at that size"),
        ({"input_size_list": [[1, 3, 96, 96]] * 2}, "is not a size for each input: images"),
        ({"input_size_list": [96]}, "which is no list of sides"),
        ({"input_size_list": 96}, "is not a size for each input"),
        ({"input_initial_val": [[1.0, 2.0]]}, "has 2 numbers for images, which is 1x3x96x96"),
        ({"input_initial_val": 3}, "is not a list with an array for each input"),
        ({"input_initial_val": [["a"]]}, "has 0 numbers for images"),
    ],
)
def test_a_load_that_contradicts_the_model(plain: Path, tmp_path: Path, load: dict[str, Any], words: str) -> None:
    with pytest.raises(BuildError, match=words):
        loader_of(plain, load, tmp_path, choose())


def test_a_load_that_fits(plain: Path, tmp_path: Path) -> None:
    assert loader_of(plain, {"input_size_list": [[1, 3, 96, 96]]}, tmp_path, choose())[1]["inputs"] == ["images"]
    _, arguments = loader_of(plain, {"input_initial_val": [0.5]}, tmp_path, choose())
    assert arguments["input_size_list"] == [[1, 3, 96, 96]]
    assert np.array_equal(arguments["input_initial_val"][0], np.full((1, 3, 96, 96), 0.5, np.float32))
    assert loader_of(plain, {"input_initial_val": [[]]}, tmp_path, choose())[1]["input_initial_val"] == [None]


def test_a_quantized_model_is_what_it_is(plain: Path, tmp_path: Path) -> None:
    other = changed(plain, tmp_path, quantized)
    assert BuildRequest(other).decided() == "i8" and BuildRequest(plain).decided() == "fp16"
    assert repeated(BuildRequest(other)).decided() == "i8"
    with pytest.raises(CalibrationError, match="is quantized already, with ranges of its own: leave out --dataset"):
        BuildRequest(other, dataset=DATASET).decided()
    with pytest.raises(BuildError, match="built as i8: leave out --dtype fp16"):
        BuildRequest(other, dtype="fp16").decided()
    pixels = ModelMetadata(("a",), (96, 96), "decoded", (Output("output0", "decoded", 0),))
    for is_quantized, way in (
        (True, "or build the float model with --dtype fp16"),
        (False, "or build with --dtype fp16"),
    ):
        with pytest.raises(BuildError, match=way):  # else one error would send to the other
            check_scales(other, pixels, quantized=is_quantized)
    with pytest.raises(BuildError, match="runs fp16 models only"):
        BuildRequest(other, "rk2118").decided()
    for options in (BuildOptions(algorithm="mmse"), BuildOptions(float16=("box8",)), BuildOptions(auto_hybrid=True)):
        with pytest.raises(BuildError, match="the model is quantized already"):
            build(other, options=options, output=tmp_path)


def test_quantized_operators_of_onnxruntime_are_named(tmp_path: Path) -> None:
    node = helper.make_node("QLinearSigmoid", ["x", "s", "z", "s", "z"], ["y"], domain="com.microsoft")
    sides = [helper.make_tensor_value_info(name, TensorProto.INT8, [1, 3, 8, 8]) for name in "xy"]
    graph = helper.make_graph([node], "g", sides[:1], sides[1:])
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 13), helper.make_opsetid("com.microsoft", 1)]
    )
    onnx.save(model, str(tmp_path / "q.onnx"))
    with pytest.raises(BuildError, match=r"QLinearConv and others.*QuantFormat\.QDQ"):
        prepare(tmp_path / "q.onnx", tmp_path / "ready.onnx")


def test_mean_and_std_that_it_was_not_trained_with_are_told(
    plain: Path, onnx: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    from yolorknn.convert.recipe.planned import planned

    given = BuildOptions(config={"mean_values": [[123.7, 116.3, 103.5]]})
    with planned(BuildRequest(onnx, options=given)):
        assert "was trained with mean 0,0,0 and std 255,255,255" in caplog.text
        assert "123.7,116.3,103.5" in caplog.text
    caplog.clear()
    for model, options in ((plain, given), (onnx, BuildOptions(config={"mean_values": [[0, 0, 0]]}))):
        with planned(BuildRequest(model, options=options)):
            assert caplog.text == "", "nobody says what it was trained with, or it is the same"


@needs_toolkit
@pytest.mark.toolkit
@pytest.mark.parametrize(
    "kind",
    [
        "quantized",
        *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("external", *CHANGES)),
    ],
)
def test_they_are_built(plain: Path, tmp_path: Path, kind: str) -> None:
    other = (
        external(plain, tmp_path)
        if kind == "external"
        else changed(plain, tmp_path, {**CHANGES, "quantized": quantized}[kind])
    )
    made = build(other)
    file = rknn_file.read(made)
    metadata = metadata_of(file)
    assert metadata.build is not None and metadata.build.images == 0
    assert metadata.build.dtype == ("i8" if kind == "quantized" else "fp16") and made.stem.endswith(
        metadata.build.dtype
    )
    assert {tensor.dtype for tensor in file.outputs} == {"int8" if kind == "quantized" else "float16"}
    assert metadata.sha256 == onnx_file.digest(other)
    found, expected = found_by(made, simulate=True), found_by(other)
    assert len(found) == len(expected) > 0
    assert found.xyxy.ravel() == pytest.approx(expected.xyxy.ravel(), abs=8 if kind == "quantized" else 1)


def test_a_format_newer_than_the_toolkits_onnx(onnx: Path, tmp_path: Path) -> None:
    """As a newer onnx writes it where one trains; the onnx beside rknn-toolkit2 reads up to 11."""
    import onnx as package

    model = package.load(str(onnx))
    model.ir_version = 11
    package.save(model, str(tmp_path / "newer.onnx"))
    prepare(tmp_path / "newer.onnx", tmp_path / "prepared.onnx")
    prepared = package.load(str(tmp_path / "prepared.onnx"))
    assert prepared.ir_version == 10 and prepared.graph == model.graph
