from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.cli.conftest import MADE
from tests.conftest import DATASET, DEMO_ONNX, needs_toolkit
from tests.fakes.commands import BAR, Recorder, run
from tests.fakes.encode import split_metadata
from tests.fakes.rknn_files import write_rknn
from yolorknn.convert.recipe.build_options import BuildOptions
from yolorknn.convert.recipe.request import BuildRequest
from yolorknn.files import sha256
from yolorknn.model.metadata import Build, ModelMetadata
from yolorknn.model.platforms import Dtype
from yolorknn.toolkits.installed import choose

DATA = DATASET / "data.yaml"
DEFAULTS = {
    "imgsz": None,
    "head": "split",
    "custom_softmax": False,
    "opset": None,
    "output": None,
    "trust": False,
    "program": None,
    "dtype": "fp16",
}
BUILT = {
    "model": DEMO_ONNX,
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
    "sha256": sha256(DEMO_ONNX),
    "toolkit": None,
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
        "--toolkit",
        choose().version,
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
        "program": None,
        "dtype": "fp16",
    }
    assert build.call == {
        **BUILT,
        "platform": "rk3576",
        "dtype": "i8",
        "dataset": DATASET / "images",
        "options": BuildOptions(algorithm="kl_divergence", method="layer", float16=("a", "b"), optimization_level=2),
        "float16_below": 0.9,
        "toolkit": choose().version,
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


def test_onnx_only(export: Recorder, build: Recorder) -> None:
    done = run("export", "m.pt", "--onnx-only", "--no-custom-softmax")
    assert export.call == {"checkpoint": Path("m.pt"), **DEFAULTS} and build.calls == []
    assert done.stdout == f"{DEMO_ONNX}\n"


def test_what_the_gate_gets(export: Recorder, within: Recorder, build: Recorder) -> None:
    done = run("export", "m.pt", "--data", DATA, "--max-drop", 0.5)
    plan = within.call.pop("plan")
    assert plan.data == DATA and not plan.own and len(plan.calibration.images) == len(plan.labelled.images) == 20
    assert within.call == {
        "request": BuildRequest(DEMO_ONNX, "rk3588", sha256=sha256(DEMO_ONNX)),
        "max_drop": 0.5,
        "mmse": False,
        "output": None,
        "spread": None,
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
        "request": BuildRequest(DEMO_ONNX, "rk3576", sha256=sha256(DEMO_ONNX)),
        "max_drop": 2.0,
        "mmse": True,
        "output": tmp_path,
        "spread": None,
        "progress": BAR,
    }


@pytest.mark.parametrize(
    ("program", "beside"),
    [
        ("frigate", ["labelmap.txt", "frigate.yml"]),
        ("zoo", ["labels.txt"]),
        ("ultralytics", ["metadata.yaml"]),
    ],
)
def test_for_another_program(
    export: Recorder, build: Recorder, tmp_path: Path, program: str, beside: list[str]
) -> None:
    dtype: Dtype = "fp16" if program == "frigate" else "i8"
    metadata = ModelMetadata(**{**split_metadata((64, 64), 2).__dict__, "build": Build("rk3588", dtype, "2.3.2")})
    build.answer = write_rknn(tmp_path / "made.rknn", metadata)
    export.answer = tmp_path / f"m-{program}.onnx"
    shutil.copy(DEMO_ONNX, export.answer)
    words = ["--dataset", DATASET / "images"] if dtype == "i8" else []
    done = run("export", "m.pt", "--for", program, *words)
    assert export.call == {"checkpoint": Path("m.pt"), **DEFAULTS, "program": program, "dtype": dtype}
    folder = tmp_path / "m-rk3588-i8_rknn_model" if program == "ultralytics" else tmp_path
    assert (build.call["dtype"], build.call["output"]) == (dtype, folder)
    files = done.stdout.splitlines()
    assert files[:2] == [str(export.answer), str(build.answer)]
    assert [Path(file).exists() for file in files[2:]] == [True] * len(beside)
    assert all(file.endswith(end) for file, end in zip(files[2:], beside, strict=True))
