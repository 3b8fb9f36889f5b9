from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import MADE
from tests.conftest import DATASET, DEMO_ONNX, needs_toolkit
from tests.fakes.commands import BAR, Recorder, misused, refused, run
from tests.fakes.encode import split_metadata
from tests.fakes.rknn_files import write_rknn
from yolorknn.convert.recipe.build_options import BuildOptions
from yolorknn.errors import BuildError
from yolorknn.model.anchor_sizes import PUBLISHED
from yolorknn.model.metadata import Build, ModelMetadata
from yolorknn.toolkits.installed import choose

FP16 = "built fp16, as no --dataset was given; i8 is faster on the NPU and needs one to calibrate with"


DEFAULTS = {
    "platform": "rk3588",
    "dtype": "fp16",
    "dataset": None,
    "names": None,
    "anchors": None,
    "options": BuildOptions(),
    "float16_below": None,
    "generic": False,
    "encrypt": 0,
    "codegen": False,
    "sha256": None,
    "toolkit": None,
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
    words += [
        "--anchors",
        "yolov7",
        "--float16-below",
        0.99,
        "--optimization-level",
        2,
        "--mean",
        "1,2,3",
        "--std",
        "4,5,6.5",
        "--batch",
        4,
    ]
    words += ["--encrypt", 2, "--codegen", "--generic", "--config", tmp_path / "more.toml", "-o", tmp_path / "out"]
    words += ["--toolkit", choose().version]
    done = run("build", "m.onnx", *words)
    assert build.call == {
        "model": Path("m.onnx"),
        "platform": "rk3576",
        "dtype": "i8",
        "dataset": DATASET / "images",
        "names": ["person", "car"],
        "anchors": PUBLISHED["yolov7"],
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
        "sha256": None,
        "toolkit": choose().version,
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
