"""One model in several places on the same inputs: how far they agree, and which layer it is where they do not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.conftest import DATASET, DEMO_ONNX, needs_ort, needs_toolkit
from tests.fakes.broken import BROKEN, broken, facts, outputs_of
from tests.fakes.tiny_onnx import Node, blunt_net, of_nodes, two_inputs
from yolorknn.convert.recipe.build_options import BuildOptions
from yolorknn.convert.recipe.normal import Normal
from yolorknn.convert.recipe.request import BuildRequest
from yolorknn.errors import InferenceError, InputError
from yolorknn.measure import compare as compared
from yolorknn.measure.compare import compare
from yolorknn.measure.compare_report import Comparison, Parting
from yolorknn.measure.same_boxes import same_boxes
from yolorknn.predict.open_model import read_metadata
from yolorknn.runtime.agreeing import Agreeing, agreeing, cosine_of
from yolorknn.tasks.known import task_of

ARRAY = np.arange(1.0, 7.0).reshape(1, 6)


@given(st.floats(0.01, 100), st.integers(0, 5))
def test_a_cosine_is_one_for_the_same_direction_and_none_where_there_is_no_number(factor: float, place: int) -> None:
    assert cosine_of(ARRAY, ARRAY * factor) == pytest.approx(1)
    assert cosine_of(ARRAY, -ARRAY) == pytest.approx(-1)
    assert cosine_of(ARRAY * 0, ARRAY * 0) == 1 and cosine_of(ARRAY, ARRAY * 0) == 0
    for bad in (np.nan, np.inf):
        broken = ARRAY.copy()
        broken[0, place] = bad
        assert cosine_of(ARRAY, broken) is None


def test_outputs_are_paired_by_order_and_the_worst_input_is_found() -> None:
    expected = [{"y": ARRAY}, {"y": ARRAY}, {"y": ARRAY}]
    found = [{"made": ARRAY}, {"made": ARRAY[:, ::-1]}, {"made": ARRAY + 0.5}]
    (row,) = agreeing("int8", expected, found)
    assert (row.place, row.output, row.difference) == ("int8", "y", 5.0)
    assert row.cosine == cosine_of(ARRAY, ARRAY[:, ::-1]) and row.argmax == pytest.approx(2 / 3)
    assert compared._worst(expected, found, 0.99) == 1 and compared._worst(expected, found[:1] * 3, 0.99) is None
    (row,) = agreeing("fp16", expected[:1], [{"y": ARRAY * np.nan}])
    assert row.cosine is None and row.difference is None
    assert compared._worst(expected[:1], [{"y": ARRAY * np.nan}], 0.99) == 0
    assert compared._worst([{"y": ARRAY * 1e-7}], [{"y": ARRAY[:, ::-1] * 1e-7}], 0.99) is None, "of no weight"


def test_outputs_of_other_shapes_are_compared_value_by_value_or_refused() -> None:
    """A toolkit may keep axes of length 1 that the source drops."""
    (row,) = agreeing("fp16", [{"y": ARRAY}], [{"y": ARRAY[:, :, None, None] + 0.5}])
    assert (row.difference, row.argmax) == (0.5, 1.0)
    for others in ({"y": ARRAY[:, :5]}, {}, {"y": ARRAY, "z": ARRAY}):
        with pytest.raises(InferenceError, match=r"not those that they are compared with: \["):
            list(agreeing("fp16", [{"y": ARRAY}], [others]))


def test_the_float_model_is_given_what_the_chip_makes_of_pixels() -> None:
    pixels = np.arange(12, dtype=np.uint8).reshape(1, 3, 2, 2)
    found = Normal({"x": ([1, 2, 3], [2, 4, 8])}).normalised({"x": pixels, "z": ARRAY})
    assert np.allclose(found["x"][0, 2], (pixels[0, 2] - 3.0) / 8) and found["z"] is ARRAY


def test_fp16_of_an_int8_build_has_what_does_not_quantize() -> None:
    options = BuildOptions(
        algorithm="mmse",
        float16=("a",),
        config={"mean_values": [[1]], "quantized_dtype": "w8a8"},
        load={"outputs": ["y"]},
    )
    request = BuildRequest(Path("m.tflite"), "rk3588", "i8", Path("images"), options=options, generic=True)
    fp16 = compared._variant(request, "fp16")
    assert fp16 is not None and fp16.dataset is None and fp16.dtype == "fp16"
    assert fp16.options == BuildOptions(config={"mean_values": [[1]]}, load={"outputs": ["y"]})
    assert compared._variant(request, "i8") is request and compared._variant(fp16, "i8") is None


def test_boxes_are_matched_and_a_report_says_it_in_words_and_json() -> None:
    pytest.importorskip("onnx")
    metadata = read_metadata(DEMO_ONNX)
    outputs = dict(zip((o.name for o in metadata.outputs), task_of(metadata).scene(metadata), strict=True))
    boxes = same_boxes("int8, simulator", metadata, [outputs], [outputs])
    assert boxes is not None and boxes.matched == boxes.expected == boxes.found > 0
    assert boxes.iou == pytest.approx(1) and boxes.score == 0
    rows = (Agreeing("int8, simulator", "y", None, 0.25, None), Agreeing("fp16, simulator", "y", 0.5, None, 0.5))
    parting = Parting("int8, simulator", "Add", "wide", None, 0.25)
    report = Comparison("m.rknn", "m.onnx on onnxruntime", "x.npy", 1, rows, (boxes,), (parting,))
    shown = report.table()
    assert "no number" in shown and "50.0%" in shown and "mean IoU 1.000" in shown
    assert "parts from the float model at [Add] wide: cosine no number, the layer alone 0.25000" in shown
    assert "--float16 wide" in shown
    assert json.loads(json.dumps(report.to_json()))["partings"][0]["tensor"] == "wide"


@pytest.mark.parametrize("what", BROKEN)
def test_what_else_a_task_says_is_compared(what: str) -> None:
    task = BROKEN[what][0]
    good, bad = outputs_of(task), broken(what)
    same, off = (same_boxes("int8, simulator", facts(task), [good, good], [good, each]) for each in (good, bad))
    assert same.same and not off.same and off.matched == off.expected == off.found
    (wrong,) = (each for each in off.also if each.alike < each.of)
    assert wrong.what == what and wrong.alike == wrong.of // 2 and wrong.image == "input 1"
    rows = (Agreeing("int8, simulator", "y", 0.5, 0.25, None),)
    report = Comparison("m.rknn", "m.onnx", "a.jpg", 2, rows, (off,))
    assert f"{what}: {wrong.alike} of {wrong.of} alike, " in report.table() and " in input 1" in report.table()
    assert {"what": what, "of": wrong.of, "alike": wrong.alike}.items() <= {
        key: value
        for each in report.to_json()["boxes"][0]["also"]
        if each["what"] == what
        for key, value in each.items()
    }.items()


class Simulated:
    """In place of a simulator: the float model, with an error that grows with what int8 would lose."""

    def __init__(self, request: BuildRequest, *, progress: object = None) -> None:
        from yolorknn.model.interface import Interface
        from yolorknn.runtime.ort import OrtSession

        self._session, self._lost = OrtSession(request.model), 0.0 if request.decided() == "fp16" else 0.01
        self.inputs, self.outputs = self._session.inputs, self._session.outputs
        self.interface = Interface(tuple(self.inputs), tuple(self.outputs))
        self.metadata = None

    def run(self, arrays: Any) -> dict[str, NDArray[Any]]:
        return {name: array + self._lost for name, array in self._session.run(arrays).items()}

    def close(self) -> None:
        self._session.close()


@pytest.fixture
def two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    pytest.importorskip("onnx")
    monkeypatch.setattr(compared, "SimulatorSession", Simulated)
    for number in range(3):
        rng = np.random.default_rng(number)
        np.save(tmp_path / f"i{number}.npy", rng.normal(size=(1, 3, 4, 6)).astype(np.float32))
        np.save(tmp_path / f"v{number}.npy", rng.normal(size=(1, 5)).astype(np.float32))
    (tmp_path / "list.txt").write_text("".join(f"i{number}.npy v{number}.npy\n" for number in range(3)))
    return two_inputs(tmp_path / "two.onnx")


@needs_ort
@needs_toolkit
def test_every_place_is_given_the_same(two: Path) -> None:
    report = compare(two, dataset=two.with_name("list.txt"), count=2)
    assert report.count == 2 and report.inputs.startswith("the first 2 of ") and not report.partings
    assert [(row.place, row.output) for row in report.rows] == [
        (place, name) for place in ("fp16, simulator", "int8, simulator") for name in ("y", "top")
    ]
    assert [row.difference for row in report.rows if row.output == "y"] == [0, pytest.approx(0.01, rel=1e-4)]
    made_up = compare(two, count=3)
    assert made_up.count == 3 and "random numbers" in made_up.inputs and len(made_up.rows) == 2
    given_files = compare(two, inputs=[f"image={two.with_name('i0.npy')}", f"a/b={two.with_name('v0.npy')}"])
    assert given_files.count == 1 and given_files.rows[0].cosine == 1
    with pytest.raises(InputError, match="input a/b is not given"):
        compare(two, inputs=[f"image={two.with_name('i0.npy')}"])


@needs_ort
@needs_toolkit
@pytest.mark.toolkit
@pytest.mark.slow
def test_the_layer_that_is_broken_on_purpose_is_named(tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    model = blunt_net(tmp_path / "blunt.onnx")
    np.save(tmp_path / "x.npy", np.random.default_rng(0).normal(size=(1, 3, 16, 16)).astype(np.float32))
    (tmp_path / "list.txt").write_text("x.npy\n")
    report = compare(model, dataset=tmp_path / "list.txt")
    (parting,) = report.partings
    assert parting.place == "int8, simulator" and parting.tensor.startswith("second"), "fp16 has all the weights"
    assert parting.alone is None or parting.alone < 0.9


@needs_ort
@needs_toolkit
@pytest.mark.toolkit
@pytest.mark.slow
def test_the_layer_whose_values_end_beyond_float16_is_named(tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    weights = {
        "thousands": np.float32(3000),
        "little": np.float32(1e-4),
        "w": np.random.default_rng(0).normal(size=(4, 3, 1, 1)).astype(np.float32),
    }
    nodes: list[Node] = [("Mul", ["x", "thousands"], "wide", {}), ("Mul", ["wide", "wide"], "wider", {})]
    nodes += [
        ("Conv", ["wider", "w"], "sum", {}),
        ("Mul", ["sum", "little"], "small", {}),
        ("Tanh", ["small"], "y", {}),
    ]
    model = of_nodes(tmp_path / "m.onnx", nodes, {"x": (1, 3, 8, 8)}, {"y": (1, 4, 8, 8)}, weights)
    report = compare(model, count=1)
    (parting,) = report.partings
    assert (parting.op, parting.tensor, parting.note) == ("Mul", "wider", "q_inf")
    assert (
        "[Mul] wider: cosine no number, the layer alone no number (infinite: float16 ends at 65504)" in report.table()
    )


@needs_ort
@needs_toolkit
@pytest.mark.toolkit
@pytest.mark.slow
def test_a_detector_is_compared_by_its_boxes_too(tmp_path: Path) -> None:
    images = sorted((DATASET / "images").glob("*.jpg"))[:2]
    report = compare(DEMO_ONNX, inputs=[str(image) for image in images])
    assert report.count == 2 and not report.partings
    (boxes,) = report.boxes
    assert boxes.matched == boxes.expected == boxes.found > 0 and boxes.iou is not None and boxes.iou > 0.99
    boxes_rows = [row for row in report.rows if row.output.startswith("box")]
    assert boxes_rows and min(row.cosine or 0 for row in boxes_rows) > 0.999
