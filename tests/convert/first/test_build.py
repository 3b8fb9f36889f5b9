"""Builds for the first generation, with a stand-in for rknn-toolkit 1.x in real Pythons 3.6 and 3.8."""

from __future__ import annotations

import ast
import json
import logging
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from tests.conftest import DATASET, DEMO_ONNX, ROOT, needs_torch
from tests.convert.first.conftest import IMAGES, Interpreter
from yolorknn.convert.first.build import build_first
from yolorknn.convert.first.plan import FirstRequest, first_planned
from yolorknn.convert.first.precompile import precompile
from yolorknn.convert.first.simulator import FirstSimulatorSession
from yolorknn.convert.recipe.build_options import BuildOptions
from yolorknn.data.calibration_set import CalibrationSet
from yolorknn.doctor.examine import examine
from yolorknn.errors import BackendError, BuildError, CalibrationError, MissingDependencyError, ModelError
from yolorknn.image import read_image
from yolorknn.model import rknn_file
from yolorknn.model.first_file import first_metadata, read_first
from yolorknn.predict.open_model import read_metadata
from yolorknn.tasks.known import output_shapes
from yolorknn.toolkits.first import NAMED, FirstToolkit, ask, choose_first

FEW = CalibrationSet(DATASET / "images", IMAGES)


def test_python_3_6_reads_the_stand_in() -> None:
    ast.parse((ROOT / "tests/fakes/toolkit1/rknn/api.py").read_text(), feature_version=(3, 6))


def stated(rknn: Path) -> Any:
    return json.loads(rknn.read_bytes().partition(b"1.x ")[2])


@pytest.mark.parametrize("version", ["3.6", "3.8"])
def test_a_build(version: str, toolkit1: Interpreter, tmp_path: Path) -> None:
    """Eight bits, unsigned; the target a list; pre-compiled for RV1126, as its usual driver needs; no array goes."""
    made = build_first(
        FirstRequest(DEMO_ONNX, "rv1126", dataset=FEW), python=toolkit1(version), output=tmp_path / "né two"
    )
    assert made == tmp_path / "né two/demo-rv1126-u8.rknn"
    facts = stated(made)
    assert facts["target_platform"] == ["rv1126"] and facts["compiled"] and facts["images"] == facts["batch_size"] == 3
    assert facts["mean_values"] == [[0.0, 0.0, 0.0]]
    metadata = read_first(made)
    assert metadata.build is not None and (metadata.build.platform, metadata.build.dtype) == ("rv1126", "i8")
    assert metadata.build.toolkit == "1.7.3" and metadata.build.images == 3
    assert metadata.names == read_metadata(DEMO_ONNX).names and metadata.source_of(made).samefile(DEMO_ONNX)
    assert facts["outputs"] == [list(shape) for shape in output_shapes(metadata).values()]
    assert "rknn-toolkit version: 1.7.3" in made.with_suffix(".log").read_text()
    assert {path.suffix for path in made.parent.iterdir()} == {".rknn", ".json", ".log"}
    assert first_metadata(made) == read_metadata(made) == metadata
    with pytest.raises(ModelError, match="is for a chip of the first generation: detect, val and info take it"):
        rknn_file.read(made)
    finding = examine(model=made)[-1]
    assert (finding.status, "built for rv1126 by rknn-toolkit 1.7.3" in finding.text) == ("ok", True)


def test_what_is_calibrated_with_are_the_pixels_that_the_detector_sees(tmp_path: Path) -> None:
    from yolorknn.model.read import read_file
    from yolorknn.tasks.known import metadata_of, task_of

    metadata = metadata_of(read_file(DEMO_ONNX))
    canvas = task_of(metadata).canvas(metadata.imgsz)
    toolkit = FirstToolkit(Path("python"), "1.7.3", "3.6")
    with first_planned(FirstRequest(DEMO_ONNX, "rk1808", dataset=FEW), toolkit) as plan:
        assert plan.calibration is not None
        names = plan.calibration.read_text().split()
        for name, image in zip(names, IMAGES, strict=True):
            canvas.fill(read_image(image))
            written = cv2.imread(name)
            assert written is not None and np.array_equal(written[..., ::-1], canvas.pixels), "OpenCV reads BGR"
        assert plan.configuration()["reorder_channel"] == "0 1 2" and plan.configuration()["batch_size"] == 3


def test_what_is_built_is_what_was_exported() -> None:
    request = FirstRequest(DEMO_ONNX, "rk1808", sha256="0" * 64)
    with (
        pytest.raises(ModelError, match="has changed"),
        first_planned(request, FirstToolkit(Path("p"), "1.7.3", "3.6")),
    ):
        pass


def test_the_newest_toolkit_has_neither_pre_compile_nor_simulator(
    toolkit1: Interpreter, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """1.7.5: what a board with the mini driver will say of the model is said now."""
    python, request = toolkit1("3.6", "1.7.5"), FirstRequest(DEMO_ONNX, "rv1126")
    with caplog.at_level(logging.WARNING):
        made = build_first(request, python=python, output=tmp_path)
    assert made.name == "demo-rv1126-fp16.rknn" and not stated(made)["compiled"]
    assert "mini driver refuses it (rknn_init returns -14)" in caplog.text and "precompile" in caplog.text
    with pytest.raises(BuildError, match=r"1\.7\.5 does not pre-compile on a PC: .*'yolorknn precompile .* --device'"):
        build_first(request, python=python, precompile=True, output=tmp_path)
    monkeypatch.setenv(NAMED, str(python))
    with pytest.raises(BuildError, match=r"1\.7\.5 has no simulator: 1\.7\.3 and before have"):
        FirstSimulatorSession(made, read_first(made))


def test_others_are_not_pre_compiled_unless_asked_for(toolkit1: Interpreter, tmp_path: Path) -> None:
    request = FirstRequest(DEMO_ONNX, "rk1808")
    assert not stated(build_first(request, python=toolkit1("3.6"), output=tmp_path))["compiled"]
    assert stated(build_first(request, python=toolkit1("3.6"), output=tmp_path, precompile=True))["compiled"]


def test_a_streams_password_is_not_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CalibrationSet, "frames", lambda _: map(read_image, IMAGES))
    request = FirstRequest(DEMO_ONNX, "rk1808", dataset=Path("rtsp://user:secret@camera/live"))
    with first_planned(request, FirstToolkit(Path("python"), "1.7.3", "3.6")) as plan:
        assert "secret" not in plan.metadata.to_json() and "camera/live" in plan.metadata.to_json()


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"dtype": "i8"}, CalibrationError, "int8 needs a calibration set"),
        ({"dtype": "fp16", "dataset": FEW}, CalibrationError, "fp16 is not quantized"),
        ({"platform": "rk3588"}, ModelError, "'rk3588' has no NPU of the first generation: rv1109"),
        ({"options": BuildOptions(auto_hybrid=True)}, BuildError, "auto_hybrid is for chips of the second generation"),
        ({"options": BuildOptions(float16=("x",))}, BuildError, "float16 is for chips"),
        ({"options": BuildOptions(method="layer")}, BuildError, "--method is for chips"),
        ({"options": BuildOptions(config={"sram_prefer": "all"})}, BuildError, r"\[config\] sram_prefer is for chips"),
        ({"options": BuildOptions(algorithm="gdq")}, BuildError, "algorithm 'gdq' is for chips"),
        ({"options": BuildOptions(optimization_level=9)}, BuildError, "optimization_level 9 is not"),
    ],
)  # fmt: skip
def test_what_is_refused(
    changes: dict[str, Any], error: type[Exception], words: str, toolkit1: Interpreter, tmp_path: Path
) -> None:
    request = FirstRequest(**{"model": DEMO_ONNX, "platform": "rv1126", **changes})
    with pytest.raises(error, match=words):
        build_first(request, python=toolkit1("3.6"), output=tmp_path)
    assert not list(tmp_path.glob("*.rknn"))


@needs_torch
def test_an_opset_that_its_onnx_does_not_read(toolkit1: Interpreter, tmp_path: Path) -> None:
    """onnx converts no Sigmoid of opset 13 to 12; `export --platform rv1109` writes 12."""
    from yolorknn.convert.export.export import export

    newer = export(ROOT / "models/demo.pt", opset=13, output=tmp_path)
    with pytest.raises(BuildError, match=r"is of opset 13, the vendor's toolkit reads up to 12, .*opset=12"):
        build_first(FirstRequest(newer, "rv1109"), python=toolkit1("3.6"))


def test_a_board_pre_compiles(toolkit1: Interpreter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    python = toolkit1("3.6", "1.7.5")
    made = build_first(FirstRequest(DEMO_ONNX, "rv1126"), python=python, output=tmp_path)
    with pytest.raises(BackendError, match=r"Can not find device rv1126.*: attach one rv1126 board with the full"):
        precompile(made, python=python)
    monkeypatch.setenv("FAKE_BOARD", "rv1126 mini")
    with pytest.raises(BackendError, match=r"mini driver has no debugging.*: attach one rv1126 board with the full"):
        precompile(made, python=python)
    monkeypatch.setenv("FAKE_BOARD", "rv1126")
    done = precompile(made, python=python, output=tmp_path / "out")
    assert done == tmp_path / "out/demo-rv1126-fp16-precompiled.rknn" and stated(done)["compiled"]
    assert read_first(done) == read_first(made)
    with pytest.raises(ModelError, match=r"needs its metadata, x\.json, beside it"):
        (tmp_path / "x.rknn").write_bytes(made.read_bytes())
        precompile(tmp_path / "x.rknn", python=python)


def test_which_python(toolkit1: Interpreter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The named one, or that of the environment, or one that is found; what is missing is said, and where to get it."""
    found, why = ask(toolkit1("3.6", "1.7.5"))
    assert why == "" and found == FirstToolkit(toolkit1("3.6", "1.7.5"), "1.7.5", "3.6", has_numpy=False)
    assert not found.works_on_pc
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingDependencyError, match=r"name the interpreter that has it .*github\.com"):
        choose_first()
    (tmp_path / "versions/3.8.18/bin").mkdir(parents=True)
    (tmp_path / "versions/3.8.18/bin/python").symlink_to(toolkit1("3.8"))
    monkeypatch.setenv("YOLORKNN_TOOLKIT1", str(tmp_path / "absent"))
    with pytest.raises(MissingDependencyError, match=r"absent cannot be run \(No such file or directory\)"):
        choose_first()
    assert choose_first(toolkit1("3.6")).python_version == "3.6"


def test_a_python_with_the_other_toolkit(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text('#!/bin/sh\necho \'{"python": [3, 8], "rknn_toolkit2": "2.3.2"}\'\n')
    python.chmod(0o755)
    assert ask(python) == (None, "(Python 3.8) has no rknn-toolkit, but rknn-toolkit2, which is for later chips")
    python.write_text('#!/bin/sh\necho \'{"python": [3, 5], "rknn_toolkit": "1.7.1"}\'\n')
    assert ask(python) == (None, "is Python 3.5, and yolorknn needs 3.6 or later there")
    python.write_text("#!/bin/sh\necho hello\n")
    assert ask(python) == (None, "is no Python that answers")
