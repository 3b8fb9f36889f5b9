from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import MADE
from tests.conftest import DATASET, DEMO_ONNX, needs_toolkit
from tests.fakes.commands import BAR, Recorder, misused, refused, replace_function, run
from tests.fakes.encode import split_metadata
from tests.fakes.rknn_files import write_rknn
from yolorknn.convert.recipe.build_options import BuildOptions
from yolorknn.convert.recipe.request import BuildRequest
from yolorknn.errors import ExportError
from yolorknn.model.metadata import Build, ModelMetadata

DATA = DATASET / "data.yaml"


@pytest.fixture
def export(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    return replace_function(monkeypatch, "yolorknn.convert.export.export.export", DEMO_ONNX)


DEFAULTS = {"imgsz": None, "head": "split", "custom_softmax": False, "opset": None, "output": None, "trust": False}
BUILT = {
    "model": DEMO_ONNX,
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


def test_what_it_passes_on(export: Recorder, build: Recorder) -> None:
    done = run("export", "m.pt")
    assert export.call == {"checkpoint": Path("m.pt"), **DEFAULTS}
    assert build.call == BUILT
    assert done.stdout.splitlines() == [str(DEMO_ONNX), str(MADE)]
    assert done.stderr.splitlines()[-1].startswith("built fp16, as no --dataset was given; i8 is faster")


@needs_toolkit
def test_every_option(export: Recorder, build: Recorder, tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text("optimization_level = 2\n")
    metadata = ModelMetadata(**{**split_metadata((64, 64), 2).__dict__, "build": Build("rk3576", "i8", "2.3.2")})
    build.answer = write_rknn(tmp_path / "made.rknn", metadata, platform="rk3576")
    words = ["--imgsz", "384,640", "--head", "decoded", "--custom-softmax", "--opset", 13, "--platform", "rk3576"]
    words += ["--dtype", "i8", "--dataset", DATASET / "images", "--algorithm", "kl_divergence", "--method", "layer"]
    words += [
        "--float16",
        "a",
        "--float16",
        "b",
        "--float16-below",
        0.9,
        "--config",
        tmp_path / "c.toml",
        "-o",
        tmp_path / "out",
        "--trust",
    ]
    done = run("export", "m.pt", *words)
    assert export.call == {
        "checkpoint": Path("m.pt"),
        "imgsz": (384, 640),
        "head": "decoded",
        "custom_softmax": True,
        "opset": 13,
        "output": tmp_path / "out",
        "trust": True,
    }
    assert build.call == {
        **BUILT,
        "platform": "rk3576",
        "dtype": "i8",
        "dataset": DATASET / "images",
        "options": BuildOptions(algorithm="kl_divergence", method="layer", float16=("a", "b"), optimization_level=2),
        "float16_below": 0.9,
        "output": tmp_path / "out",
    }
    assert done.stdout.splitlines() == [str(DEMO_ONNX), str(build.answer)]
    assert done.stderr.splitlines()[-1] == "no layer has a cosine below 0.9: all are int8"


def test_auto_hybrid(export: Recorder, build: Recorder) -> None:
    """It goes neither with --float16 nor with --float16-below."""
    run("export", "m.pt", "--dataset", DATASET / "images", "--auto-hybrid", "--algorithm", "normal")
    assert build.call == {
        **BUILT,
        "dtype": "i8",
        "dataset": DATASET / "images",
        "options": BuildOptions(auto_hybrid=True, algorithm="normal"),
    }


@pytest.mark.parametrize(("text", "size"), [("640", (640, 640)), ("384,640", (384, 640)), (" 32 , 64", (32, 64))])
def test_sizes(export: Recorder, text: str, size: tuple[int, int]) -> None:
    run("export", "m.pt", "--onnx-only", "--imgsz", text)
    assert export.call == {"checkpoint": Path("m.pt"), **DEFAULTS, "imgsz": size}


@pytest.mark.parametrize("text", ["", "0", "-640", "640,", "1,2,3", "640x640", "a"])
def test_what_is_no_size(export: Recorder, text: str) -> None:
    assert misused("export", "m.pt", f"--imgsz={text}") == (
        f"Invalid value for --imgsz: '{text}' is not a size: give 640, or height,width as 384,640"
    )


def test_onnx_only(export: Recorder, build: Recorder) -> None:
    done = run("export", "m.pt", "--onnx-only", "--no-custom-softmax")
    assert export.call == {"checkpoint": Path("m.pt"), **DEFAULTS} and build.calls == []
    assert done.stdout == f"{DEMO_ONNX}\n"


@pytest.mark.parametrize(
    "option",
    [
        ("--dtype", "fp16"),
        ("--dataset", "images"),
        ("--algorithm", "mmse"),
        ("--method", "layer"),
        ("--auto-hybrid",),
        ("--float16", "a"),
        ("--float16-below", "0.9"),
        ("--config", "c.toml"),
        ("--data", "d.yaml", "--max-drop", "1"),
    ],
)
def test_onnx_only_builds_nothing(export: Recorder, option: tuple[str, ...]) -> None:
    assert misused("export", "m.pt", "--onnx-only", *option) in (
        "Invalid value for --onnx-only: builds no .rknn: leave out --dtype, --dataset, --data and the options of the "
        "build",
        "Invalid value for --max-drop: chooses the recipe itself: leave out the options of the build",
    )
    assert export.calls == []


def test_what_the_gate_gets(export: Recorder, within: Recorder, build: Recorder) -> None:
    done = run("export", "m.pt", "--data", DATA, "--max-drop", 0.5)
    plan = within.call.pop("plan")
    assert plan.data == DATA and not plan.own and len(plan.calibration.images) == len(plan.labelled.images) == 20
    assert within.call == {
        "request": BuildRequest(DEMO_ONNX, "rk3588"),
        "max_drop": 0.5,
        "mmse": False,
        "output": None,
        "progress": BAR,
    }
    assert done.stdout.splitlines() == [str(DEMO_ONNX), str(MADE)] and build.calls == []
    assert done.stderr.endswith(f"{within.answer[1].table()}\n")


def test_every_option_of_the_gate(export: Recorder, within: Recorder, tmp_path: Path) -> None:
    images = DATASET / "images/000*.jpg"
    listing = tmp_path / "few.txt"
    listing.write_text("".join(f"{path}\n" for path in sorted(images.parent.glob(images.name))))
    words = ["--platform", "rk3576", "--dtype", "i8", "--dataset", listing, "--mmse", "-o", tmp_path]
    run("export", "m.pt", "--data", DATA, "--max-drop", 2, *words)
    assert export.call == {"checkpoint": Path("m.pt"), **DEFAULTS, "output": tmp_path}
    plan = within.call.pop("plan")
    assert plan.own and plan.calibration.source == listing and len(plan.labelled.images) == 30
    assert within.call == {
        "request": BuildRequest(DEMO_ONNX, "rk3576"),
        "max_drop": 2.0,
        "mmse": True,
        "output": tmp_path,
        "progress": BAR,
    }


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--dataset", "nowhere"), "nowhere"),
        (("--dtype", "i8"), "pass --dataset"),
        (("--dtype", "fp16", "--dataset", DATASET), "leave out --dataset"),
        (("--algorithm", "mean"), "algorithm concerns quantization, but fp16 is not quantized"),
        (("--config", "absent.toml"), "cannot read the options in absent.toml"),
        (("--data", "absent.yaml", "--max-drop", 1), "absent.yaml"),
    ],
)
def test_a_mistake_in_the_build_shows_before_the_export(
    export: Recorder, options: tuple[object, ...], words: str
) -> None:
    assert words in refused("export", "m.pt", *options)
    assert export.calls == []


def test_what_fails_or_is_mistyped(export: Recorder, build: Recorder) -> None:
    assert misused("export").startswith("Missing argument")
    assert misused("export", "m.pt", "--head", "z").startswith("Invalid value for '--head'")
    assert export.calls == []
    export.answer = ExportError("there is no checkpoint m.pt")
    assert refused("export", "m.pt") == "there is no checkpoint m.pt"
    assert build.calls == []
