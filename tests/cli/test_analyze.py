from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.fakes.commands import BAR, Recorder, misused, refused, replace_function, run
from yolorknn.convert.recipe.request import BuildRequest
from yolorknn.errors import CalibrationError


class Analysed:
    """An analysis that says how many rows it was asked for."""

    def table(self, rows: int) -> str:
        return f"the worst {rows} layers"

    def to_json(self) -> dict[str, str]:
        return {"model": "m.onnx"}


@pytest.fixture
def analyze(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    return replace_function(monkeypatch, "yolorknn.convert.analyze.analyze", Analysed())


@pytest.fixture
def write_csv(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    return replace_function(monkeypatch, "yolorknn.convert.tables.analysis.write_csv", Path("a-operators.csv"))


@pytest.fixture
def draw(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    return replace_function(monkeypatch, "yolorknn.convert.tables.analysis.draw", None)


DEFAULTS = {
    "request": BuildRequest(Path("m.onnx"), "rk3588"),
    "image": None,
    "inputs": (),
    "scaling": None,
    "progress": BAR,
}


def test_what_it_passes_on(analyze: Recorder, write_csv: Recorder, draw: Recorder) -> None:
    done = run("analyze", "m.onnx")
    assert analyze.call == DEFAULTS and write_csv.calls == draw.calls == []
    assert done.stdout == "the worst 15 layers\n" and done.stderr == ""


def test_every_option(analyze: Recorder, write_csv: Recorder, draw: Recorder, tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("person\n")
    words = [
        "--image",
        "a.jpg",
        "--platform",
        "rk3576",
        "--dtype",
        "i8",
        "--dataset",
        "images",
        "--rows",
        3,
        "--toolkit",
        "2.5.0",
    ]
    words += ["--names", tmp_path / "names.txt", "--csv", tmp_path / "a.csv", "--plot", tmp_path / "a.png"]
    done = run("analyze", "m.onnx", *words)
    assert analyze.call == {
        "request": BuildRequest(Path("m.onnx"), "rk3576", "i8", Path("images"), ["person"], toolkit="2.5.0"),
        "image": Path("a.jpg"),
        "inputs": (),
        "scaling": None,
        "progress": BAR,
    }
    assert write_csv.call == {"analysis": analyze.answer, "path": tmp_path / "a.csv"}
    assert draw.call == {"analysis": analyze.answer, "path": tmp_path / "a.png"}
    assert done.stdout == "the worst 3 layers\n"
    assert done.stderr == f"wrote {tmp_path / 'a.csv'} and a-operators.csv\n"


def test_json(analyze: Recorder) -> None:
    assert json.loads(run("analyze", "m.onnx", "--json").stdout) == {"model": "m.onnx"}
    assert analyze.call == DEFAULTS


@pytest.mark.parametrize("option", ["--platform", "--dtype"])
def test_a_rknn_has_its_own(analyze: Recorder, option: str) -> None:
    value = {"--platform": "rk3588", "--dtype": "i8"}[option]
    assert misused("analyze", "m.RKNN", option, value) == f"Invalid value for {option}: a .rknn has its own"
    assert analyze.calls == []
    run("analyze", "m.rknn", "--dataset", "images")
    assert analyze.call == {**DEFAULTS, "request": BuildRequest(Path("m.rknn"), dataset=Path("images"))}


def test_what_fails_or_is_mistyped(analyze: Recorder, tmp_path: Path) -> None:
    assert misused("analyze").startswith("Missing argument")
    assert misused("analyze", "m.onnx", "--rows", 0).startswith("Invalid value for '--rows'")
    assert refused("analyze", "m.onnx", "--plot", "a.gif") == "cannot draw a.gif: its suffix must be .png, .svg or .pdf"
    (tmp_path / "file").touch()
    assert refused("analyze", "m.onnx", "--csv", tmp_path / "file/a.csv").startswith("cannot write")
    assert analyze.calls == [], "nothing is built for a file that cannot be written"
    analyze.answer = CalibrationError("there is no image to compare on: pass --image")
    assert refused("analyze", "m.onnx") == "there is no image to compare on: pass --image"
