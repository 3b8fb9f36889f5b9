"""`yolorknn analyze` on the vendor's real toolkit."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from tests.conftest import DATASET, DEMO_ONNX, needs_toolkit
from tests.fakes.backends_of import floating, simulated
from tests.fakes.earlier import assert_still_said, recorded
from tests.fakes.waiting import LONGEST, until
from yolorknn.cli.app import app
from yolorknn.errors import CalibrationError, SourceError
from yolorknn.image import letterbox, read_image
from yolorknn.predict.open_model import read_metadata

IMAGE = DATASET / "images" / "0000.jpg"


def cosine(ours: np.ndarray, theirs: np.ndarray) -> float:
    return float((ours * theirs).sum() / np.linalg.norm(ours) / np.linalg.norm(theirs))


@needs_toolkit
@pytest.mark.toolkit
def test_analyze_agrees_with_the_simulator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last layers are the outputs: what is said of them can be computed from the simulator's and onnxruntime's."""
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
    pixels, _ = letterbox(read_image(IMAGE), (320, 320))
    simulator, ort = simulated(rknn), floating(onnx)
    names = [output.name for output in read_metadata(onnx).outputs]
    entire = {error["tensor"]: error["entire_cosine"] for error in said["errors"]}
    for output, ours, theirs in zip(names, simulator.infer(pixels), ort.infer(pixels), strict=True):
        if entire[output] is not None:
            assert entire[output] == pytest.approx(cosine(ours, theirs), abs=2e-4), output
    assert sum(entire[output] is not None for output in names) >= 3
    simulator.close()


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
