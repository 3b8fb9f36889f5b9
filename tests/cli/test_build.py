from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.cli.conftest import MADE
from tests.conftest import DATASET, DEMO_ONNX, needs_toolkit
from tests.fakes.commands import BAR, Recorder, misused, refused, run
from tests.fakes.encode import split_metadata
from tests.fakes.rknn_files import write_rknn
from yolorknn.cli.app import app
from yolorknn.convert.recipe.build_options import BuildOptions
from yolorknn.convert.recipe.request import BuildRequest
from yolorknn.errors import AccuracyError, BuildError
from yolorknn.model.metadata import Build, ModelMetadata

DATA = DATASET / "data.yaml"
FP16 = "built fp16, as no --dataset was given; i8 is faster on the NPU and needs one to calibrate with"


DEFAULTS = {
    "platform": "rk3588",
    "dtype": "fp16",
    "dataset": None,
    "names": None,
    "options": BuildOptions(),
    "float16_below": None,
    "generic": False,
    "encrypt": 0,
    "codegen": False,
    "output": None,
    "progress": BAR,
}


def test_what_it_passes_on(build: Recorder) -> None:
    done = run("build", "m.onnx")
    assert build.call == {"model": Path("m.onnx"), **DEFAULTS}
    assert done.stdout == f"{MADE}\n" and done.stderr.splitlines() == [FP16]


@needs_toolkit
def test_every_option(build: Recorder, tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("person\n\n car \n")
    (tmp_path / "more.toml").write_text('[config]\nsram_prefer = "all"\n')
    metadata = ModelMetadata(**{**split_metadata((64, 64), 2).__dict__, "build": Build("rk3576", "i8", "2.3.2")})
    build.answer = write_rknn(tmp_path / "made.rknn", metadata, platform="rk3576")
    words = [
        "--platform",
        "rk3576",
        "--dtype",
        "i8",
        "--dataset",
        DATASET / "images",
        "--names",
        tmp_path / "names.txt",
    ]
    words += [
        "--algorithm",
        "kl_divergence",
        "--method",
        "layer",
        "--auto-hybrid",
        "--float16",
        "a",
        "--float16",
        "b/c",
    ]
    words += ["--float16-below", 0.99, "--optimization-level", 2, "--mean", "1,2,3", "--std", "4,5,6.5", "--batch", 4]
    words += ["--encrypt", 2, "--codegen", "--generic", "--config", tmp_path / "more.toml", "-o", tmp_path / "out"]
    done = run("build", "m.onnx", *words)
    assert build.call == {
        "model": Path("m.onnx"),
        "platform": "rk3576",
        "dtype": "i8",
        "dataset": DATASET / "images",
        "names": ["person", "car"],
        "options": BuildOptions(
            algorithm="kl_divergence",
            method="layer",
            auto_hybrid=True,
            float16=("a", "b/c"),
            optimization_level=2,
            batch=4,
            config={"sram_prefer": "all", "mean_values": [[1, 2, 3]], "std_values": [[4, 5, 6.5]]},
        ),
        "float16_below": 0.99,
        "generic": True,
        "encrypt": 2,
        "codegen": True,
        "output": tmp_path / "out",
        "progress": BAR,
    }
    made = [tmp_path / name for name in ("made.rknn", "made.crypt.rknn", "made-cpp")]
    assert done.stdout.splitlines() == [str(path) for path in made]
    assert done.stderr.splitlines() == [
        "no layer has a cosine below 0.99: all are int8",
        "'yolorknn detect' does not run this model: it takes batches of 4 images: "
        "programs that call rknn_inputs_set run it",
        "'yolorknn detect' does not run the encrypted model: programs that call rknn_init run it",
    ]


@needs_toolkit
def test_the_command_line_goes_over_the_file(build: Recorder, tmp_path: Path) -> None:
    """And what is not given there stays as the file has it."""
    (tmp_path / "c.toml").write_text('algorithm = "mmse"\nmethod = "layer"\n[config]\nmean_values = [[9, 9, 9]]\n')
    run("build", "m.onnx", "--config", tmp_path / "c.toml", "--algorithm", "normal", "--std", "1,1,1")
    assert build.call["options"] == BuildOptions(
        algorithm="normal", method="layer", config={"mean_values": [[9, 9, 9]], "std_values": [[1, 1, 1]]}
    )


def test_what_a_dataset_makes_of_it(build: Recorder) -> None:
    """int8, and a word on what makes a poor calibration set of it; none on what was not chosen."""
    done = run("build", DEMO_ONNX, "--dataset", DATASET / "images/0000.jpg")
    assert build.call == {
        "model": DEMO_ONNX,
        **DEFAULTS,
        "dtype": "i8",
        "dataset": DATASET / "images/0000.jpg",
    }
    assert done.stderr.splitlines()[0] == (
        "warning: the calibration set has 1 images; 50 to 200 show more of what the model will see"
    )
    assert FP16 not in done.stderr


def test_of_a_generic_model_there_are_no_concerns(build: Recorder) -> None:
    done = run("build", DEMO_ONNX, "--dataset", DATASET / "images/0000.jpg", "--generic")
    assert build.call["generic"] is True and done.stderr == ""


def test_layers_kept_in_float16_are_named(build: Recorder, tmp_path: Path) -> None:
    made = Build("rk3588", "i8", "2.3.2", options={"float16": ["a", "b"]})
    metadata = ModelMetadata(**{**split_metadata((64, 64), 2).__dict__, "build": made})
    build.answer = write_rknn(tmp_path / "made.rknn", metadata)
    done = run("build", "m.onnx", "--float16-below", 0.9, "--dtype", "fp16")
    assert done.stderr.splitlines() == ["2 layers have a cosine below 0.9 and stay in float16: a, b"]


def test_what_the_gate_gets(within: Recorder, build: Recorder, tmp_path: Path) -> None:
    done = run("build", "m.onnx", "--data", DATA, "--max-drop", 0.5)
    plan = within.call.pop("plan")
    assert plan.data == DATA and not plan.own and len(plan.calibration.images) == len(plan.labelled.images) == 20
    assert within.call == {
        "request": BuildRequest(Path("m.onnx"), "rk3588"),
        "max_drop": 0.5,
        "mmse": False,
        "output": None,
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
        "progress": BAR,
    }


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
        ("--generic",),
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
        (("--data", "d.yaml"), "--data: needs --max-drop, the points of mAP50-95 that int8 may lose"),
        (("--mmse",), "--data: needs --max-drop, the points of mAP50-95 that int8 may lose"),
        (("--data", "d", "--max-drop", 1, "--dtype", "fp16"), "--max-drop: is about int8: leave out --dtype fp16"),
        (("--data", "d", "--max-drop", -1), "'--max-drop': "),
        (("--dtype", "int8"), "'--dtype': "),
    ],
)
def test_options_that_contradict_each_other(command: tuple[str, str], options: tuple[object, ...], words: str) -> None:
    assert misused(*command, *options).startswith(f"Invalid value for {words}")


def test_what_fails_or_is_mistyped(build: Recorder) -> None:
    assert misused("build").startswith("Missing argument")
    assert (
        misused("build", "m.onnx", "--mean", "1,2") == "Invalid value for --mean: '1,2' is not three numbers as 0,0,0"
    )
    assert misused("build", "m.onnx", "--std", "a,b,c") == (
        "Invalid value for --std: 'a,b,c' is not three numbers as 0,0,0"
    )
    assert refused("build", "m.onnx", "--platform", "rk9").startswith("unknown platform 'rk9'")
    assert refused("build", "m.onnx", "--names", "absent.txt") == (
        "cannot read the names in absent.txt: No such file or directory"
    )
    assert build.calls == []
    build.answer = BuildError("rknn-toolkit2 failed in build: see m.log")
    assert refused("build", "m.onnx") == "rknn-toolkit2 failed in build: see m.log"
