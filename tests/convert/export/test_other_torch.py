"""Exports where others train: in environments with the oldest and the newest torch, the toolkit in one of its own.

    sh scripts/other-torch.sh

makes them, runs this, and prints what they hold.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import DATASET, DEMO, ROOT, needs_ort, needs_toolkit, needs_torch
from yolorknn import Runner

MADE = ROOT / ".torch"
PACKAGES = ("torch", "torchvision", "numpy", "onnx", "onnxruntime", "opencv-python", "ultralytics")
ASK = f"""
import importlib.metadata, json, platform
print(json.dumps({{"python": platform.python_version(), **{{p: importlib.metadata.version(p) for p in {PACKAGES}}}}}))
"""
MODULES = """
import sys, torch
from yolorknn import export_module
for name, sizes in (("TransformerEncoderLayer", (16, 2, 24)), ("LSTM", (16, 8))):
    export_module(getattr(torch.nn, name)(*sizes, batch_first=True), torch.rand(1, 5, 16), f"{sys.argv[1]}/{name}.onnx")
"""
pytestmark = [needs_torch, needs_ort, needs_toolkit, pytest.mark.toolkit, pytest.mark.exhaustive]


def said(*words: str | Path, path: str = "") -> str:
    """Run a command as whoever trains there, whose only toolkit is the one that was installed for it.

    Args:
        words: the command.
        path: of packages that come before those of its environment.
    """
    theirs = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "YOLORKNN_TOOLKIT")}
    command = list(map(str, words))
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**theirs, "XDG_DATA_HOME": str(MADE), "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def found(python: Path, path: str, model: Path, *options: str) -> dict[str, list[dict[str, Any]]]:
    """Return what is found on ten of the demo's images, in an order that does not hang on confidences."""
    images = str(DATASET / "images/000*.jpg")
    words: list[str | Path] = ["detect", images, "--model", model, "--no-save", "--json", "-", *options]
    rows = said(python, "-m", "yolorknn", *words, path=path)
    return {
        row["source"]: sorted(row["detections"], key=lambda object_: (object_["class_id"], object_["xyxy"]))
        for row in map(json.loads, rows.splitlines())
    }


def exported_and_found(python: Path, folder: Path, path: str = "") -> dict[str, dict[str, list[dict[str, Any]]]]:
    """Export there to float and int8, and return what each finds there."""
    words: list[str | Path] = ["export", DEMO, "--platform", "rk3588", "--dataset", DATASET, "-o", folder]
    said(python, "-m", "yolorknn", *words, path=path)
    return {
        "float": found(python, path, folder / "demo.onnx"),
        "int8": found(python, path, folder / "demo-rk3588-i8.rknn", "--simulate"),
    }


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, list[dict[str, Any]]]]:
    return exported_and_found(Path(sys.executable), tmp_path_factory.mktemp("ours"))


@pytest.mark.parametrize(("name", "before"), [("oldest", ""), ("oldest", "ultralytics"), ("newest", "")])
def test_what_is_exported_there_finds_the_same(
    name: str, before: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """In int8, the last bits of weights decide now and then which way a value is rounded."""
    if not (MADE / name / "complete").exists():
        pytest.skip(f"there is no {MADE / name}, which sh scripts/other-torch.sh makes")
    ours = request.getfixturevalue("ours")
    python = MADE / name / "bin/python"
    path = str(MADE / before) if before else ""
    versions = json.loads(said(python, "-c", ASK, path=path))
    print("\n" + ", ".join(f"{package} {version}" for package, version in versions.items()))
    said(python, "-c", MODULES, tmp_path, path=path)
    for module, shape in (("TransformerEncoderLayer", (1, 5, 16)), ("LSTM", (1, 5, 8))):
        with Runner(tmp_path / f"{module}.onnx") as runner:
            assert runner.outputs[0].shape == shape
    theirs = exported_and_found(python, tmp_path, path)
    for kind, pixels, points in (("float", 0.1, 0.001), ("int8", 3, 0.05)):
        assert ours[kind].keys() == theirs[kind].keys() and len(ours[kind]) == 10
        pairs: list[tuple[dict[str, Any], dict[str, Any]]] = []
        for image, expected in ours[kind].items():
            assert [o["name"] for o in theirs[kind][image]] == [o["name"] for o in expected], (kind, image)
            pairs += zip(theirs[kind][image], expected, strict=True)
        off = max(abs(one - other) for a, b in pairs for one, other in zip(a["xyxy"], b["xyxy"], strict=True))
        unsure = max(abs(a["confidence"] - b["confidence"]) for a, b in pairs)
        print(f"  {kind}: {len(pairs)} objects, boxes {off:.2f} px and confidences {unsure:.4f} apart at most")
        assert len(pairs) > 40 and off < pixels and unsure < points
