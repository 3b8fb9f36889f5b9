"""`build`, `export` and `precompile` for chips of the first generation: what they pass on, and refuse."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import DATASET, DEMO_ONNX
from tests.fakes.commands import BAR, Recorder, misused, replace_function, run
from yolorknn.convert.first.plan import FirstRequest
from yolorknn.convert.recipe.build_options import BuildOptions
from yolorknn.files import sha256
from yolorknn.toolkits.first import FirstToolkit

MADE = Path("m-rv1126-u8.rknn")


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    replace_function(monkeypatch, "yolorknn.toolkits.first.choose_first", FirstToolkit(Path("p"), "1.7.3", "3.6"))
    return replace_function(monkeypatch, "yolorknn.convert.first.build.build_first", MADE)


def test_build(built: Recorder) -> None:
    words = ["--platform", "RV1126", "--dataset", DATASET / "images", "--toolkit1", "py36", "--no-pre-compile"]
    done = run("build", DEMO_ONNX, *words, "--algorithm", "mmse", "--mean", "1,2,3", "--codegen", "-o", "out")
    assert built.call == {
        "request": FirstRequest(
            DEMO_ONNX,
            "rv1126",
            dataset=DATASET / "images",
            options=BuildOptions(algorithm="mmse", config={"mean_values": [[1.0, 2.0, 3.0]]}),
        ),
        "python": Path("py36"),
        "precompile": False,
        "codegen": True,
        "output": Path("out"),
        "progress": BAR,
    }
    assert done.stdout == f"{MADE}\n{MADE.stem}-cpp\n"


def test_export(built: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    """The .onnx is of opset 12, which the toolkit reads."""
    exported = replace_function(monkeypatch, "yolorknn.convert.export.export.export", DEMO_ONNX)
    done = run("export", "m.pt", "--platform", "rk1808")
    assert exported.call["opset"] == 12
    assert (
        built.call["request"] == FirstRequest(DEMO_ONNX, "rk1808", sha256=sha256(DEMO_ONNX))
        and built.call["python"] is None
    )
    assert done.stdout == f"{DEMO_ONNX}\n{MADE}\n"
    run("export", "m.pt", "--platform", "rk1808", "--onnx-only")
    assert [call["opset"] for call in exported.calls] == [12, 12] and len(built.calls) == 1


def test_precompile(monkeypatch: pytest.MonkeyPatch) -> None:
    made = replace_function(monkeypatch, "yolorknn.convert.first.precompile.precompile", Path("m-precompiled.rknn"))
    done = run("precompile", "m.rknn", "--device-id", "12", "--toolkit1", "py36", "-o", "out")
    assert made.call == {
        "path": Path("m.rknn"),
        "device_id": "12",
        "python": Path("py36"),
        "output": Path("out"),
        "progress": BAR,
    }
    assert done.stdout == "m-precompiled.rknn\n"
    assert "a board does it: attach one over adb" in misused("precompile", "m.rknn")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--toolkit1", "p"), "is for --platform rv1109, rv1126, rk1808, rk1806, rk3399pro"),
        (("--pre-compile",), "is for --platform rv1109"),
        (("--platform", "rv1126", "--toolkit", "2.3.2"), "is rknn-toolkit2's, for later chips: see --toolkit1"),
        (
            ("--platform", "rv1126", "--config", "c.toml"),
            "--config: is not for rv1126: it names options of rknn-toolkit2",
        ),
        (("--platform", "rv1126", "--float16-below", "0.9"), "is not for rv1126: its NPU runs a model in one type"),
        (
            ("--platform", "rv1126", "--data", "d.yaml", "--max-drop", "1"),
            "is not for rv1126: it measures each recipe on the",
        ),
    ],
)
def test_what_does_not_go_together(built: Recorder, words: tuple[str, ...], said: str) -> None:
    for command in (("build", "m.onnx"), ("export", "m.pt")):
        assert said in misused(*command, *words)
    assert built.calls == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--generic",), "--generic: is not for rv1126: such a .rknn does not state its inputs"),
        (("--batch", "2"), "--batch: is not for rv1126: detectors are built for one image"),
        (("--custom-op", "a.py:A"), "--custom-op: is not for rv1126: rknn-toolkit 1.7 has no call"),
        (("--encrypt", "1"), "--encrypt: is not for rv1126: rknn-toolkit 1.7 has no such call"),
    ],
)
def test_what_build_has_for_later_chips_alone(built: Recorder, words: tuple[str, ...], said: str) -> None:
    assert said in misused("build", "m.onnx", "--platform", "rv1126", *words)
    assert built.calls == []
