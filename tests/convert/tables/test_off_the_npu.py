"""Why operators run on the CPU: each with a cause, and the compiler's own words."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.convert.tables.test_layers import RK3588, layer
from yolorknn.convert.tables.analysis import Analysis, draw, write_csv
from yolorknn.convert.tables.layers import parse_layers
from yolorknn.convert.tables.off_the_npu import compiler_said, on_cpu


@pytest.mark.parametrize(
    ("op", "dtype", "said"),
    [
        ("Gather", "INT8", "picks rows by number"),
        ("Cast", "INT64", "computes in INT64"),
        ("exSoftmax13", "INT8", "the NPU of rk3568 has no Softmax"),
        ("Reshape", "FLOAT16", "moves channels"),
        ("Det", "FLOAT16", "no NPU code"),
    ],
)
def test_every_operator_on_the_cpu_has_a_cause(op: str, dtype: str, said: str) -> None:
    fallen = layer(op=op, dtype=dtype, target="CPU", name=f"{op}:a")
    others = [layer(), layer(op="InputOperator", target="CPU"), layer(op=op, dtype=dtype)]
    (row,) = on_cpu([*others, fallen], "rk3568")
    assert (row.op, row.dtype, row.name) == (op, dtype, f"{op}:a") and said in row.why


def test_what_the_compiler_says_is_kept_once() -> None:
    log = "D RKNN: [10:00:00.000] No lowering found for: det (Det), use CustomOperatorLower instead\n" * 3
    log += "E RKNN: [10:00:00.001] channel is too large, fallback to cpu!\nD RKNN: [1:1:1.1] all is well\n"
    assert compiler_said(log) == [
        "No lowering found for: det (Det), use CustomOperatorLower instead",
        "channel is too large, fallback to cpu!",
    ]


def test_a_model_without_operators_on_the_npu_and_without_inputs_is_shown_too(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    layers = tuple(replace(row, target="CPU") for row in parse_layers(RK3588))
    analysis = Analysis("m.onnx", "rk3588", "fp16", "2.3.2", "", (), layers, None, tuple(on_cpu(layers, "rk3588")))
    shown = analysis.table(3)
    assert "no layer is compared" in shown and "no estimate" in shown and "Conv:/" not in shown
    assert analysis.to_json()["estimate"] is None
    write_csv(analysis, tmp_path / "a.csv")
    draw(analysis, tmp_path / "a.png")
    assert (tmp_path / "a.csv").read_text().startswith("op,tensor,") and (tmp_path / "a.png").stat().st_size > 1000
