"""The layer tables of rknn-toolkit2 parsed, and the estimate of ms.

samples/ are of the demo model, int8: the build log's table for two platforms, and error_analysis.txt on noise, of which
the model finds nothing.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import DATASET, needs_toolkit, needs_torch
from yolorknn.convert.tables.estimate import estimate
from yolorknn.convert.tables.layers import Layer, parse_errors, parse_layers, worst_first
from yolorknn.errors import BuildError

SAMPLES = Path(__file__).parent / "samples"
RK3588 = (SAMPLES / "layers-rk3588.txt").read_text()
RK3576 = (SAMPLES / "layers-rk3576.txt").read_text()
IMAGE = DATASET / "images" / "0000.jpg"
ERRORS = (SAMPLES / "error_analysis.txt").read_text()


def layer(**changed: object) -> Layer:
    values = {
        "number": 1,
        "op": "Conv",
        "dtype": "INT8",
        "target": "NPU",
        "inputs": "(1,3,8,8)",
        "outputs": "(1,4,8,8)",
    }
    numbers = {"ddr_cycles": 10, "npu_cycles": 20, "total_cycles": 20, "sparse_percent": None, "read_kb": 1}
    return Layer(**{**values, **numbers, "name": "Conv:a", **changed})  # type: ignore[arg-type]


def test_layer_table() -> None:
    layers = parse_layers(RK3588)
    rows = [line for line in RK3588.splitlines() if "/" in line and "Cycles" not in line]
    assert [layer.number for layer in layers] == list(range(len(rows))), "every row, in order"
    stem = layers[1]
    assert (stem.op, stem.dtype, stem.target, stem.outputs) == ("ConvExSwish", "INT8", "NPU", "(1,8,160,160)")
    assert stem.name == "Conv:/model.0/conv/Conv" and stem.total_cycles == max(stem.ddr_cycles, stem.npu_cycles)
    assert stem.read_kb == 301 and stem.moved_bytes == stem.read_kb * 1024 + 8 * 160 * 160
    assert not any(layer.fallback for layer in layers), "inputs and outputs on the CPU are no fallback"
    assert {layer.sparse_percent for layer in layers} == {None}
    wide = [layer for layer in layers if layer.ddr_cycles and layer.read_kb > 50 and ",8," not in layer.outputs]
    moved = [layer.moved_bytes / layer.ddr_cycles for layer in wide]  # in memory 8 channels take the place of 16
    assert max(moved) < 1.02 * min(moved), "the compiler's DDR cycles are those bytes, all at one bandwidth"


def test_sparse_column() -> None:
    layers = parse_layers(RK3576)
    assert {layer.sparse_percent for layer in layers if layer.npu_cycles} == {0.0}
    assert [layer.read_kb for layer in layers[1:4]] == [300, 402, 100]


def test_last_table_of_a_long_log() -> None:
    log = "D RKNN: [01:02:03.004] >>>\n" + RK3588 + "I Building\n" + RK3576 + "\nI done\n"
    assert parse_layers(log) == parse_layers(RK3576)


def test_row_without_a_name_and_on_the_cpu() -> None:
    nameless = "7    exSoftmax13  INT8  CPU  (2,25,1,25)  (2,25,1,25)  0/0/0   1"
    lines = RK3588.splitlines()
    (found,) = [
        row for row in parse_layers("\n".join([*lines[:5], nameless, *lines[5:]])) if row.number == 7 and not row.name
    ]
    assert found.fallback and found.moved_bytes == 1024 + 2 * 25 * 25


@pytest.mark.parametrize(
    ("log", "message"),
    [
        ("", "no layer table"),
        ("E RKNN: Network Layer Information", "no layer table"),
        (RK3588[: len(RK3588) // 2].rpartition("\n")[0], "cut off after"),
        (RK3588.replace("INT8     NPU", "INT8     DSP", 1), "row of another form"),
        (RK3588.replace("0/0/0", "0/0", 1), "row of another form"),
    ],
)
def test_tables_that_cannot_be_read(log: str, message: str) -> None:
    with pytest.raises(BuildError, match=message):
        parse_layers(log)


@given(st.text(max_size=300), st.integers(0, len(RK3588)))
def test_hostile_text_is_a_table_or_a_build_error(noise: str, at: int) -> None:
    for text, parse in ((RK3588[:at] + noise + RK3588[at:], parse_layers), (noise, parse_errors)):
        try:
            assert parse(text)
        except BuildError as exc:
            assert "\n" not in str(exc)


def test_error_analysis() -> None:
    errors = parse_errors(ERRORS)
    assert len(errors) == sum(line.startswith("[") for line in ERRORS.splitlines())
    assert errors[2].op == "Conv" and errors[2].tensor == "/model.0/conv/Conv_output_0"
    assert (errors[2].single_cosine, errors[2].single_euclidean) == (0.99999, 6.9043)
    notes = {error.tensor: error.note for error in errors if error.note}
    assert notes["cls32_int8"] == "q_zero" and notes["/model.22/cv3.0/cv3.0.2/Conv_output_0"] == "fused"
    half = next(error for error in errors if error.tensor == "cls8_int8")
    assert (half.entire_cosine, half.single_cosine, half.note) == (None, 0.40888, "q_zero")
    worst = worst_first(errors)
    assert {error.note for error in worst[:5]} == {"q_zero"} and worst[-1].note == "fused"
    cosines = [error.single_cosine for error in worst if error.single_cosine is not None]
    assert cosines == sorted(cosines) and cosines[0] == 0.40888


@pytest.mark.parametrize("word", ["nan", "-inf", "q_zero"])
def test_words_in_place_of_numbers(word: str) -> None:
    (error,) = parse_errors(f"[exMatMul] a tensor with spaces | and bars   {word} | {word}   0.5 | 1e+03")
    assert error.tensor == "a tensor with spaces | and bars" and error.note == word
    assert (error.entire_cosine, error.single_cosine, error.single_euclidean) == (None, 0.5, 1000.0)


@pytest.mark.parametrize("bar", ["  | ", "  |  "])
def test_layers_whose_values_end_beyond_float16(bar: str) -> None:
    """As 2.3.2 and 2.5.0 write them: the words are centred."""
    first, *others = parse_errors(
        "[Mul] /Mul_output_0             1.00000 | 6.7524    1.00000 | 5.3696        \n"
        f"[Mul] /Mul_1_output_0            q_inf{bar}q_inf      q_inf{bar}q_inf         \n"
        f"[Tanh] /Tanh_output_0            q_nan{bar}q_nan     1.00000 | 0.0028        \n"
    )
    assert (first.tensor, first.entire_euclidean, first.note) == ("/Mul_output_0", 6.7524, "")
    assert [(error.tensor, error.entire_cosine, error.single_cosine, error.note) for error in others] == [
        ("/Mul_1_output_0", None, None, "q_inf"),
        ("/Tanh_output_0", None, 1.0, "q_nan"),
    ]


def test_no_error_analysis() -> None:
    with pytest.raises(BuildError, match="lists no layers"):
        parse_errors("layer_name  simulator_error\n-----\n")


def test_estimate_is_the_sum_over_the_npu() -> None:
    slow = layer(npu_cycles=5_000_000)  # 5 ms at 1 GHz
    moving = layer(outputs="(1,4600000)", ddr_cycles=0, read_kb=0)  # 1 ms at the 4.6 GB/s of an rk3588's core
    idle = layer(target="CPU", npu_cycles=9_000_000)
    found = estimate([slow, moving, idle], "rk3588")
    assert found.ms == pytest.approx(6.0, rel=1e-3) and found.low_ms == pytest.approx(5.1, rel=0.01)
    assert found.ms and found.bound_ms <= found.low_ms < found.ms < found.high_ms and "published" in found.how
    half = estimate([layer(npu_cycles=5_000_000, dtype="FLOAT16"), moving], "rk3588")
    assert half.high_ms > found.high_ms, "nothing published backs the fp16 half"


@pytest.mark.parametrize("platform", ["rv1106", "rv1126b"])
def test_estimate_where_no_speeds_are_published(platform: str) -> None:
    found = estimate(parse_layers(RK3588), platform)
    assert found.ms is None and found.low_ms == found.bound_ms and "no speeds are published" in found.how
    assert found.high_ms > 2 * found.low_ms


def test_nothing_to_estimate() -> None:
    with pytest.raises(BuildError, match="no operator on the NPU"):
        estimate([layer(target="CPU")], "rk3588")


PUBLISHED_MS = {"rk3588": 1000 / 60.0, "rk3568": 1000 / 20.6}
"""yolo11n, 640, int8, one core: rknn_model_zoo's README for 2.3.2."""


@needs_toolkit
@needs_torch
@pytest.mark.toolkit
@pytest.mark.slow
def test_attention_and_the_estimate_against_published_speeds(tmp_path: Path) -> None:
    from ultralytics import YOLO

    from yolorknn.convert.export.export import export
    from yolorknn.convert.recipe.planned import planned
    from yolorknn.convert.recipe.request import BuildRequest
    from yolorknn.convert.recipe.steps import built
    from yolorknn.convert.toolkit.log import Log
    from yolorknn.convert.toolkit.toolkit import Toolkit

    YOLO("yolo11n.yaml").save(tmp_path / "y.pt")  # speed does not depend on the weights
    onnx = export(tmp_path / "y.pt", imgsz=(640, 640), output=tmp_path)
    for platform, published in PUBLISHED_MS.items():
        log = Log(tmp_path / "y.log")
        with (
            planned(BuildRequest(onnx, platform, dataset=IMAGE)) as plan,
            Toolkit(log, python=plan.toolkit.python) as toolkit,
        ):
            built(toolkit, plan, verbose=True)
            layers = parse_layers(log.text())
        found = estimate(layers, platform)
        assert found.low_ms <= published <= found.high_ms, (platform, found)
        fallen = {row.op for row in layers if row.fallback}
        assert fallen == ({"exSoftmax13", "Transpose", "Reshape"} if platform == "rk3568" else set())
