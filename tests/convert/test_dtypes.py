"""Every dtype that build writes goes through every command."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import DATASET, DEMO, needs_toolkit, needs_torch
from tests.fakes.commands import run
from yolorknn import BuildOptions
from yolorknn.convert.build import build
from yolorknn.convert.export.export import export
from yolorknn.deploy.deploy import local_side
from yolorknn.errors import YolorknnError

pytestmark = [pytest.mark.toolkit, needs_toolkit, needs_torch]

IMAGE = DATASET / "images/0000.jpg"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small .onnx, a calibration set, and a data.yaml of one image."""
    folder = tmp_path_factory.mktemp("dtypes")
    export(DEMO, imgsz=(96, 96), output=folder)
    for part in ("images", "labels"):
        (folder / part).mkdir()
    (folder / "images/0000.jpg").symlink_to(IMAGE)
    (folder / "labels/0000.txt").symlink_to(DATASET / "labels/0000.txt")
    (folder / "data.yaml").write_text("val: images\nnames: [ball, bottle, box, cone, ring, star]\n")
    return folder


MADE: dict[str, dict[str, Any]] = {
    "fp16": {},
    "i8": {"dataset": True},
    "fp16 rk3562": {"platform": "rk3562"},
    "i8 rv1106": {"platform": "rv1106", "dataset": True},
    "normal": {"dataset": True, "options": BuildOptions(algorithm="normal", method="layer")},
    "kl_divergence": {"dataset": True, "options": BuildOptions(algorithm="kl_divergence")},
    "auto hybrid": {"dataset": True, "options": BuildOptions(auto_hybrid=True)},
    "hybrid": {"dataset": True, "options": BuildOptions(float16=("box8", "cls16"))},
    "w16a16i_dfp": {"dataset": True, "options": BuildOptions(config={"quantized_dtype": "w16a16i_dfp"})},
    "w4a16": {"dataset": True, "platform": "rk3576", "options": BuildOptions(config={"quantized_dtype": "w4a16"})},
    "w8a16": {"dataset": True, "platform": "rk3562", "options": BuildOptions(config={"quantized_dtype": "w8a16"})},
}
REFUSED = ("w8a16", "w16a16i_dfp")
"""By rknn-toolkit2 2.3.2 itself, for this network."""
QUICK = {"fp16"}


@pytest.fixture(scope="module")
def made(folder: Path) -> Callable[[str], Path]:
    """Build each but once."""
    done: dict[str, Path] = {}

    def of(name: str) -> Path:
        if name not in done:
            how = {**MADE[name], "dataset": folder / "images" if MADE[name].get("dataset") else None}
            done[name] = build(folder / "demo.onnx", **how)
            done[name] = done[name].rename(done[name].with_stem(f"demo-{name.replace(' ', '-')}"))
        return done[name]

    return of


def info(model: Path, folder: Path) -> None:
    said = json.loads(run("info", model, "--json").stdout)
    assert said["build"]["dtype"] == ("fp16" if "fp16" in model.name else "i8") and len(said["names"]) == 6


def detect(model: Path, folder: Path) -> None:
    (line,) = run("detect", IMAGE, "-m", model, "--simulate", "--no-save", "--json", "-").stdout.splitlines()
    assert "detections" in json.loads(line)


def val(model: Path, folder: Path) -> None:
    done = run("val", model, "--data", folder / "data.yaml", "--simulate", "--json", "-o", folder / "val")
    (report,) = json.loads(done.stdout)
    assert report["images"] == 1


def analyze(model: Path, folder: Path) -> None:
    said = json.loads(run("analyze", model, "--image", IMAGE, "--json").stdout)
    assert said["layers"] and said["errors"]


def deploy(model: Path, folder: Path) -> None:
    """What of it is done here: with which model to compare, and on which images."""
    assert local_side(model, IMAGE, simulate=False)[0] == folder / "demo.onnx"
    assert local_side(model, IMAGE, simulate=True) == (model, [IMAGE])


CASES = [
    pytest.param(name, command, marks=() if name in QUICK else pytest.mark.slow, id=f"{name}-{command.__name__}")
    for name in MADE
    if name not in REFUSED
    for command in (info, detect, val, analyze, deploy)
]


@pytest.mark.parametrize(("name", "command"), CASES)
def test_every_dtype_goes_through_every_command(
    name: str, command: Callable[[Path, Path], None], made: Callable[[str], Path], folder: Path
) -> None:
    command(made(name), folder)


@pytest.mark.slow
@pytest.mark.parametrize("name", REFUSED)
def test_what_the_toolkit_refuses_is_a_sentence(name: str, made: Callable[[str], Path]) -> None:
    with pytest.raises(YolorknnError, match=r"rknn-toolkit2 failed in .*\(log: "):
        made(name)
