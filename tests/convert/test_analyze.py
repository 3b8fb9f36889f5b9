"""`yolorknn analyze` on the vendor's real toolkit."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from tests.conftest import DATASET, DEMO_ONNX, ROOT, needs_ort, needs_toolkit, needs_torch
from tests.fakes.backends_of import floating, simulated
from tests.fakes.earlier import assert_still_said, recorded
from tests.fakes.tiny_onnx import two_inputs
from tests.fakes.waiting import LONGEST, until
from yolorknn.cli.app import app
from yolorknn.errors import CalibrationError, InputError, SourceError
from yolorknn.image import read_image
from yolorknn.predict.open_model import read_metadata
from yolorknn.runtime.backend import Backend
from yolorknn.tasks.known import task_of

IMAGE = DATASET / "images" / "0000.jpg"


def cosine(ours: np.ndarray, theirs: np.ndarray) -> float:
    return float((ours * theirs).sum() / np.linalg.norm(ours) / np.linalg.norm(theirs))


def assert_of_the_outputs(said: Any, onnx: Path, simulator: Backend) -> None:
    """The last layers are the outputs: their cosines are those of the simulator's with onnxruntime's."""
    metadata = read_metadata(onnx)
    canvas = task_of(metadata).canvas(metadata.imgsz)
    canvas.fill(read_image(IMAGE))
    names = [output.name for output in metadata.outputs]
    entire = {error["tensor"]: error["entire_cosine"] for error in said["errors"]}
    with closing(simulator), closing(floating(onnx)) as ort:
        for output, ours, theirs in zip(names, simulator.infer(canvas.pixels), ort.infer(canvas.pixels), strict=True):
            if entire[output] is not None:
                assert entire[output] == pytest.approx(cosine(ours, theirs), abs=2e-4), output
    assert sum(entire[output] is not None for output in names) >= len(names) / 2


@needs_toolkit
@pytest.mark.toolkit
def test_analyze_agrees_with_the_simulator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from yolorknn.convert.build import build

    onnx = Path(shutil.copy(DEMO_ONNX, tmp_path / "demo.onnx"))
    rknn = build(onnx, platform="rk3576", dataset=IMAGE)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    with monkeypatch.context() as patched:
        patched.setattr("tempfile.tempdir", str(scratch))
        done = CliRunner().invoke(
            app,
            f"analyze {rknn} --image {IMAGE} --json --csv {tmp_path / 'a.csv'} --plot {tmp_path / 'a.png'}",
            catch_exceptions=False,
        )
    assert not list(scratch.iterdir()), "the vendor's dumps are gone"
    said = json.loads(done.stdout)
    assert_still_said(recorded("commands/analyze"), said, where="analyze")
    assert (said["platform"], said["dtype"], said["image"]) == ("rk3576", "i8", str(IMAGE))
    rows = list(csv.DictReader((tmp_path / "a.csv").read_text().splitlines()))
    assert [row["tensor"] for row in rows] == [error["tensor"] for error in said["errors"]]
    operators = list(csv.DictReader((tmp_path / "a-operators.csv").read_text().splitlines()))
    assert sum(float(row["ms"]) for row in operators) == pytest.approx(said["estimate"]["ms"], abs=0.01)
    assert cv2.imread(str(tmp_path / "a.png")) is not None
    assert_of_the_outputs(said, onnx, simulated(rknn))


@needs_toolkit
@needs_torch
@needs_ort
@pytest.mark.toolkit
@pytest.mark.slow
@pytest.mark.parametrize("name", ["demo-seg", "demo-pose", "demo-obb", "demo-cls"])
def test_every_task_is_analysed(name: str, tmp_path: Path) -> None:
    """What is said of its outputs can be computed from the simulator's and onnxruntime's, as of a detector's."""
    from yolorknn import export

    onnx = export(ROOT / f"models/{name}.pt", output=tmp_path)
    words = ["analyze", str(onnx), "--dataset", str(IMAGE), "--image", str(IMAGE), "--json"]
    said = json.loads(CliRunner().invoke(app, words, catch_exceptions=False).stdout)
    assert (said["dtype"], said["image"]) == ("i8", str(IMAGE)) and said["estimate"]["ms"] > 0
    assert_of_the_outputs(said, onnx, simulated(onnx, IMAGE))


@needs_toolkit
@pytest.mark.toolkit
@pytest.mark.parametrize("how", [signal.SIGINT, pytest.param(signal.SIGKILL, marks=pytest.mark.slow)])
def test_an_end_in_the_middle_leaves_no_dumps(tmp_path: Path, how: signal.Signals) -> None:
    command = [sys.executable, "-m", "yolorknn", "analyze", str(DEMO_ONNX), "--dataset", str(IMAGE)]
    process = subprocess.Popen(command, env={**os.environ, "TMPDIR": str(tmp_path)}, stderr=subprocess.DEVNULL)
    until(lambda: any(tmp_path.glob("yolorknn-toolkit-*/analysis/*/*")), by=process)
    process.send_signal(how)
    assert process.wait(LONGEST) == (130 if how == signal.SIGINT else -how)
    until(lambda: not any(tmp_path.glob("yolorknn-toolkit-*")))
    if how == signal.SIGINT:
        assert not list(tmp_path.iterdir())


@needs_toolkit
@pytest.mark.toolkit
def test_a_model_that_is_no_detector_is_analysed(tmp_path: Path) -> None:
    """Its layers are listed always, and compared on inputs that are given; what is on the CPU has a cause."""
    pytest.importorskip("onnx")
    model = two_inputs(tmp_path / "two.onnx")
    runner = CliRunner()
    bare = runner.invoke(app, ["analyze", str(model), "--json"], catch_exceptions=False)
    said = json.loads(bare.stdout)
    assert "taken as it is, as no detector" in bare.stderr
    assert said["errors"] == [] and said["image"] == "" and said["dtype"] == "fp16"
    assert {"NPU", "CPU"} == {layer["target"] for layer in said["layers"]} and said["estimate"]["ms"] > 0
    assert [row["name"] for row in said["off_the_npu"]] == said["cpu"]
    assert all(row["why"] for row in said["off_the_npu"])
    assert "Reshape" in {row["op"] for row in said["off_the_npu"]}
    np.save(tmp_path / "i.npy", np.random.default_rng(0).normal(size=(3, 4, 6)))
    np.save(tmp_path / "v.npy", np.ones((1, 5)))
    (tmp_path / "list.txt").write_text("i.npy v.npy\n")
    np.save(tmp_path / "i.npy", np.random.default_rng(0).normal(size=(1, 3, 4, 6)).astype(np.float32))
    inputs = ["--input", f"image={tmp_path / 'i.npy'}", "--input", f"a/b={tmp_path / 'v.npy'}"]
    files = [
        "--dataset",
        str(tmp_path / "list.txt"),
        "--csv",
        str(tmp_path / "a.csv"),
        "--plot",
        str(tmp_path / "a.png"),
    ]
    shown = runner.invoke(app, ["analyze", str(model), *files, *inputs], catch_exceptions=False).stdout
    assert "float against int8, the worst layers of" in shown and "[Input] a/b" in shown
    assert "on the CPU: " in shown and "perhaps because" in shown
    assert cv2.imread(str(tmp_path / "a.png")) is not None and "ArgMax,top" in (tmp_path / "a.csv").read_text()
    wrong = runner.invoke(app, ["analyze", str(model), *inputs[:2]])
    assert isinstance(wrong.exception, InputError) and "input a/b is not given" in str(wrong.exception)
    assert runner.invoke(app, ["analyze", str(DEMO_ONNX), *inputs]).exit_code == 2, "a detector takes an image"


@needs_toolkit
@pytest.mark.toolkit
def test_what_analyze_refuses(tmp_path: Path) -> None:
    from yolorknn.convert.analyze import analyze
    from yolorknn.convert.recipe.request import BuildRequest

    with pytest.raises(CalibrationError, match="pass --image"):
        analyze(BuildRequest(DEMO_ONNX))
    broken = tmp_path / "b.jpg"
    broken.write_bytes(b"no image")
    with pytest.raises(SourceError, match=r"b\.jpg"):
        analyze(BuildRequest(DEMO_ONNX), image=broken)
    refused = CliRunner().invoke(app, ["analyze", "x.rknn", "--platform", "rk3588"])
    assert refused.exit_code == 2 and "a .rknn has its own" in refused.stderr
