"""ONNX as others write it: weights beside it, float16, quantized, newer, of any batch; run, and built as what it is."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper, version_converter

from tests.conftest import DATASET, DEMO, needs_ort, needs_toolkit, needs_torch
from yolorknn import BuildError, CalibrationError, Detector, ModelError
from yolorknn.convert.build import build
from yolorknn.convert.export.export import export
from yolorknn.convert.recipe.build_options import BuildOptions
from yolorknn.convert.recipe.generic import loader_of
from yolorknn.convert.recipe.prepared import prepare
from yolorknn.convert.recipe.recorded import repeated
from yolorknn.convert.recipe.request import BuildRequest
from yolorknn.convert.toolkit.log import Log
from yolorknn.model import onnx_file, rknn_file
from yolorknn.tasks.known import metadata_of

pytestmark = [needs_torch, needs_ort]
IMAGE = DATASET / "images/0000.jpg"
Change = Callable[[onnx.ModelProto], onnx.ModelProto]


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo model of 96 pixels, without metadata."""
    path = export(DEMO, imgsz=(96, 96), output=tmp_path_factory.mktemp("plain"))
    model = onnx.load(str(path))
    del model.metadata_props[:]
    onnx.save(model, str(path))
    return path


def half(model: onnx.ModelProto) -> onnx.ModelProto:
    for tensor in model.graph.initializer:
        if tensor.data_type == TensorProto.FLOAT:
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float16), tensor.name))
    scales = {name for node in model.graph.node if node.op_type == "Resize" for name in node.input[1:]}
    for node in model.graph.node:
        for attribute in node.attribute if not scales & {*node.output} else ():
            if attribute.HasField("t") and attribute.t.data_type == TensorProto.FLOAT:
                attribute.t.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(attribute.t).astype(np.float16)))
    for info in [*model.graph.input, *model.graph.output, *model.graph.value_info]:
        info.type.tensor_type.elem_type = TensorProto.FLOAT16
    return model


def newer(model: onnx.ModelProto) -> onnx.ModelProto:
    return version_converter.convert_version(model, 21)


def any_batch(model: onnx.ModelProto) -> onnx.ModelProto:
    for info in [*model.graph.input, *model.graph.output]:
        info.type.tensor_type.shape.dim[0].dim_param = "batch"
    return model


def open_outputs(model: onnx.ModelProto) -> onnx.ModelProto:
    for info in any_batch(model).graph.output:
        info.type.tensor_type.shape.dim[2].dim_param = f"{info.name}_height"
    return model


def quantized(model: onnx.ModelProto) -> onnx.ModelProto:
    """A pair of Q and DQ before every Conv, with a rough range, and behind every output."""
    model = version_converter.convert_version(model, 13)
    graph = model.graph
    scale = numpy_helper.from_array(np.float32(0.1), "scale")
    fine = numpy_helper.from_array(np.float32(1 / 255), "fine")
    graph.initializer.extend([scale, fine, numpy_helper.from_array(np.int8(0), "zero")])
    graph.initializer.append(numpy_helper.from_array(np.int8(-128), "least"))
    nodes = list(graph.node)
    del graph.node[:]
    paired: set[str] = set()

    def pair(name: str, target: str, *how: str) -> None:
        graph.node.append(helper.make_node("QuantizeLinear", [name, *how], [f"{target}_q"]))
        graph.node.append(helper.make_node("DequantizeLinear", [f"{target}_q", *how], [target]))

    outputs = {output.name for output in graph.output}
    for node in nodes:
        if node.op_type == "Conv":
            name = node.input[0]
            if name not in paired:
                pair(name, f"{name}_dq", "scale", "zero")
            paired.add(name)
            node.input[0] = f"{name}_dq"
        ends = [name for name in node.output if name in outputs]
        for name in ends:
            node.output[list(node.output).index(name)] = f"{name}_raw"
        graph.node.append(node)
        for name in ends:
            pair(f"{name}_raw", name, *(("fine", "least") if name.startswith("cls") else ("scale", "zero")))
    return model


CHANGES: dict[str, Change] = {"half": half, "newer": newer, "any batch": any_batch, "open outputs": open_outputs}


def changed(plain: Path, folder: Path, change: Change) -> Path:
    onnx.save(change(onnx.load(str(plain))), str(folder / "other.onnx"))
    return folder / "other.onnx"


def external(plain: Path, folder: Path) -> Path:
    path = folder / "other.onnx"
    onnx.save_model(
        onnx.load(str(plain)), str(path), save_as_external_data=True, location="other.onnx.data", size_threshold=0
    )
    return path


def found_by(model: Path, **options: Any) -> Any:
    with Detector(model, conf=0.2, **options) as detector:
        return detector.detect(IMAGE)


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
    said = {"half": [], "newer": ["opset 21"]}.get(name, ["batches of any size"])
    assert [word for word in said if word in caplog.text] == said
    ready = onnx.load(str(tmp_path / "ready.onnx"))
    assert ready.opset_import[0].version <= 19
    assert [side.dim_value for side in ready.graph.input[0].type.tensor_type.shape.dim] == [1, 3, 96, 96]
    again = found_by(tmp_path / "ready.onnx")
    assert again.xyxy.ravel() == pytest.approx(expected.xyxy.ravel(), abs=1)


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
    call, arguments = loader_of(other, {"input_size_list": [[1, 3, 96, 96]]}, tmp_path)
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
        loader_of(plain, load, tmp_path)


def test_a_load_that_fits(plain: Path, tmp_path: Path) -> None:
    assert loader_of(plain, {"input_size_list": [[1, 3, 96, 96]]}, tmp_path)[1]["inputs"] == ["images"]
    _, arguments = loader_of(plain, {"input_initial_val": [0.5]}, tmp_path)
    assert arguments["input_size_list"] == [[1, 3, 96, 96]]
    assert np.array_equal(arguments["input_initial_val"][0], np.full((1, 3, 96, 96), 0.5, np.float32))
    assert loader_of(plain, {"input_initial_val": [[]]}, tmp_path)[1]["input_initial_val"] == [None]


def test_weights_beside_it_come_along(plain: Path, tmp_path: Path) -> None:
    other = external(plain, tmp_path)
    prepare(other, tmp_path / "ready.onnx")
    (tmp_path / "elsewhere").mkdir()
    alone = (tmp_path / "ready.onnx").rename(tmp_path / "elsewhere/ready.onnx")
    assert found_by(alone) == found_by(plain) == found_by(other)
    before = onnx_file.digest(other)
    assert before != onnx_file.digest(plain)
    data = tmp_path / "other.onnx.data"
    content = bytearray(data.read_bytes())
    content[100] ^= 1
    data.write_bytes(content)
    assert onnx_file.digest(other) != before, "the weights are part of what it is"
    data.write_bytes(content[:1000])
    with pytest.raises(ModelError, match=r"has weights in .*data, which is truncated"):
        onnx_file.read(other)
    data.unlink()
    for refused in (onnx_file.read, onnx_file.digest, lambda path: prepare(path, tmp_path / "no.onnx")):
        with pytest.raises(ModelError, match=r"has weights in other.onnx.data, but there is no .*: copy both"):
            refused(other)


def test_weights_of_elsewhere_are_not_read(plain: Path, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    other = external(plain, tmp_path / "in")
    (tmp_path / "in/other.onnx.data").rename(tmp_path / "secret")
    model = onnx.load(str(other), load_external_data=False)
    for tensor in model.graph.initializer:
        for entry in tensor.external_data:
            if entry.key == "location":
                entry.value = "../secret"
    other.write_bytes(model.SerializeToString())
    with pytest.raises(ModelError, match="outside its folder"):
        onnx_file.read(other)


def test_a_toolkit_that_invents_weights_has_failed(tmp_path: Path) -> None:
    log = Log(tmp_path / "x.log")
    line = "load_onnx: The weight is missing, Generate random data for test"
    log.path.write_text(f"I building\nW {line}\n")
    assert line in str(log.complaint())


def test_a_quantized_model_is_what_it_is(plain: Path, tmp_path: Path) -> None:
    other = changed(plain, tmp_path, quantized)
    assert BuildRequest(other).decided() == "i8" and BuildRequest(plain).decided() == "fp16"
    assert repeated(BuildRequest(other)).decided() == "i8"
    with pytest.raises(CalibrationError, match="is quantized already, with ranges of its own: leave out --dataset"):
        BuildRequest(other, dataset=DATASET).decided()
    with pytest.raises(BuildError, match="built as i8: leave out --dtype fp16"):
        BuildRequest(other, dtype="fp16").decided()
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


@needs_toolkit
@pytest.mark.toolkit
@pytest.mark.slow
@pytest.mark.parametrize("generic", [True, False])
def test_weights_beside_it_are_in_what_is_built(plain: Path, tmp_path: Path, generic: bool) -> None:
    """Of the same size and without a word of random data, in int8 too."""
    other = external(plain, tmp_path)
    (tmp_path / "images").mkdir()
    (tmp_path / "images/0.jpg").symlink_to(IMAGE)
    for dataset in (None, tmp_path / "images"):
        one = build(plain, output=tmp_path / "one", generic=generic, dataset=dataset)
        two = build(other, output=tmp_path / "two", generic=generic, dataset=dataset)
        assert abs(one.stat().st_size - two.stat().st_size) < 2000
        assert "andom" not in two.with_suffix(".log").read_text(errors="replace")
