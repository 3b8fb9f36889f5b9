"""`yolorknn compare`: what it passes on, and what it shows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.fakes.commands import BAR, Recorder, misused, replace_function, run
from yolorknn.measure.compare_report import Comparison
from yolorknn.predict.open_model import Place
from yolorknn.runtime.agreeing import Agreeing

REPORT = Comparison("m.rknn", "m.onnx", "x.npy", 1, (Agreeing("fp16, simulator", "y", 1.0, 0.5, 1.0),))


@pytest.fixture
def compare(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    return replace_function(monkeypatch, "yolorknn.measure.compare.compare", REPORT)


DEFAULTS = {
    "model": Path("m.rknn"),
    "inputs": (),
    "scaling": None,
    "dataset": None,
    "platform": "rk3588",
    "place": Place(),
    "count": 8,
    "progress": BAR,
}


def test_what_it_passes_on(compare: Recorder) -> None:
    assert run("compare", "m.rknn").stdout == REPORT.table() + "\n"
    assert compare.call == DEFAULTS


def test_every_option(compare: Recorder) -> None:
    words = [
        "--input",
        "a=a.npy",
        "--input",
        "b=b.png",
        "--mean",
        "1,2,3",
        "--std",
        "4",
        "--dataset",
        "images",
        "-n",
        3,
    ]
    done = run("compare", "m.onnx", *words, "--platform", "rk3576", "--device-id", "X", "--toolkit", "2.3.2", "--json")
    assert compare.call == {
        "model": Path("m.onnx"),
        "inputs": ["a=a.npy", "b=b.png"],
        "scaling": ([1.0, 2.0, 3.0], [4.0]),
        "dataset": Path("images"),
        "platform": "rk3576",
        "place": Place(device_id="X", toolkit="2.3.2"),
        "count": 3,
        "progress": BAR,
    }
    assert json.loads(done.stdout) == json.loads(json.dumps(REPORT.to_json()))


def test_a_rknn_has_its_own_chip(compare: Recorder) -> None:
    assert "a .rknn has its own" in misused("compare", "m.rknn", "--platform", "rk3588")
    assert compare.calls == []
