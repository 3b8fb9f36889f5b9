from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.cli.conftest import MADE
from tests.conftest import DATASET, DEMO_ONNX
from tests.fakes.commands import BAR, Recorder, misused, replace_function, run
from yolorknn.cli.app import app
from yolorknn.convert.recipe.request import BuildRequest
from yolorknn.errors import AccuracyError

DATA = DATASET / "data.yaml"


def test_what_the_gate_gets(within: Recorder, build: Recorder, tmp_path: Path) -> None:
    done = run("build", "m.onnx", "--data", DATA, "--max-drop", 0.5)
    plan = within.call.pop("plan")
    assert plan.data == DATA and not plan.own and len(plan.calibration.images) == len(plan.labelled.images) == 20
    assert within.call == {
        "request": BuildRequest(Path("m.onnx"), "rk3588"),
        "max_drop": 0.5,
        "mmse": False,
        "output": None,
        "spread": None,
        "progress": BAR,
    }
    assert done.stdout == f"{MADE}\n" and done.stderr == f"{within.answer[1].table()}\n" and build.calls == []


def test_every_option_of_the_gate(within: Recorder, tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("person\n")
    words = [
        "--platform",
        "rk3576",
        "--dtype",
        "i8",
        "--dataset",
        DATASET / "images/0003.jpg",
        "--names",
        tmp_path / "names.txt",
    ]
    words += ["--data", DATA, "--max-drop", 0, "--mmse", "-o", tmp_path]
    run("build", DEMO_ONNX, *words)
    plan = within.call.pop("plan")
    assert plan.own and plan.calibration.source == DATASET / "images/0003.jpg" and len(plan.labelled.images) == 39
    assert within.call == {
        "request": BuildRequest(DEMO_ONNX, "rk3576", names=["person"]),
        "max_drop": 0.0,
        "mmse": True,
        "output": tmp_path,
        "spread": None,
        "progress": BAR,
    }


def test_recipes_are_tried_on_a_cluster(within: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    joined = replace_function(monkeypatch, "yolorknn.integrations.ray.spread.spread_over", nullcontext("the workers"))
    run("build", "m.onnx", "--data", DATA, "--max-drop", 0.5, "--ray", "auto")
    assert joined.call == {"address": "auto"} and within.call["spread"] == "the workers"
    assert "is for --max-drop, which tries many recipes" in misused("build", "m.onnx", "--ray", "auto")


def test_what_the_gate_rejects_is_shown_before_the_sentence(within: Recorder) -> None:
    within.answer = AccuracyError("no recipe loses so little", table="what was tried\nand how it went")
    done = CliRunner().invoke(app, ["build", "m.onnx", "--data", str(DATA), "--max-drop", "0.5"])
    assert done.exit_code == 1 and str(done.exception) == "no recipe loses so little"
    assert done.stderr == "what was tried\nand how it went\n" and done.stdout == ""


@pytest.mark.parametrize(
    "option",
    [
        ("--algorithm", "mmse"),
        ("--method", "layer"),
        ("--auto-hybrid",),
        ("--float16", "a"),
        ("--float16-below", 0),
        ("--config", "c.toml"),
        ("--batch", 2),
        ("--mean", "0,0,0"),
        ("--std", "1,1,1"),
        ("--optimization-level", 2),
        ("--optimization-level", 0),
        ("--batch", 0),
        ("--encrypt", 1),
        ("--codegen",),
    ],
)
def test_the_gate_chooses_the_recipe_itself(within: Recorder, option: tuple[object, ...]) -> None:
    said = misused("build", "m.onnx", "--data", "d.yaml", "--max-drop", 1, *option)
    assert said == "Invalid value for --max-drop: chooses the recipe itself: leave out the options of the build"
    assert within.calls == []


@pytest.mark.parametrize("command", [("build", "m.onnx"), ("export", "m.pt")])
@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--max-drop", 1), "--max-drop: needs --data, a data.yaml with labelled images"),
        (("--data", "d.yaml"), "--data: needs --max-drop, the points of mAP50-95, or of top-1, that int8 may lose"),
        (("--mmse",), "--mmse: needs --max-drop, the points of mAP50-95, or of top-1, that int8 may lose"),
        (("--data", "d", "--max-drop", 1, "--dtype", "fp16"), "--max-drop: is about int8: leave out --dtype fp16"),
        (("--data", "d", "--max-drop", -1), "'--max-drop': "),
        (("--dtype", "int8"), "'--dtype': "),
    ],
)
def test_options_that_contradict_each_other(command: tuple[str, str], options: tuple[object, ...], words: str) -> None:
    assert misused(*command, *options).startswith(f"Invalid value for {words}")
