"""bench of models that are no detectors: every setting there is, and what it says adds up."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import needs_ort
from tests.fakes.commands import misused, run
from tests.fakes.rknn_files import write_generic
from tests.fakes.rknnlite import install
from tests.fakes.tiny_onnx import two_inputs
from yolorknn.measure.bench_any import bench_any
from yolorknn.model.platforms import PLATFORMS
from yolorknn.runtime import cores


@needs_ort
def test_on_onnxruntime(tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    model = two_inputs(tmp_path / "two.onnx")
    said = json.loads(run("bench", model, "--seconds", 0.2, "--json").stdout)
    (setting,) = said["settings"]
    assert setting["runtime"] == "onnxruntime" and setting["contexts"] == 1 and setting["runs_per_s"] > 1
    alone = setting["alone_ms"]
    assert 0 < alone["p50"] <= alone["p90"] <= alone["p99"] and 0 < setting["busy"] <= 1
    assert "runs/s" in run("bench", model, "--seconds", 0.1).stdout
    assert "are for models that see pictures" in misused("bench", model, "--fps", 5)


def test_on_a_board_each_number_of_contexts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake, modules = install("rk3588")
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr(cores, "this_platform", lambda: PLATFORMS["rk3588"])

    def answer(*_: Any) -> list[Any]:
        return [np.zeros((1, 2), np.float32)]

    fake.answer = staticmethod(answer)
    model = write_generic(tmp_path / "m.rknn", {"x": (1, 5), "ids": (1, 3)}, {"y": (1, 2)}, dtypes={"ids": "int64"})
    report = bench_any(model, seconds=0.2, runtime="lite", contexts=2)
    assert [(one.runtime, one.contexts) for one in report.settings] == [("lite", 3), ("lite", 6)]
    assert not report.refused and not fake.wrongs and not fake.live and report.first_s > 0
