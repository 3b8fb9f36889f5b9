"""What export refuses, before anything is exported or built."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import DATASET, DEMO_ONNX
from tests.fakes.commands import Recorder, misused, refused, replace_function
from yolorknn.errors import ExportError


def test_a_toolkit_that_is_not_there_shows_before_the_export(
    build: Recorder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    exported = replace_function(monkeypatch, "yolorknn.convert.export.export.export", DEMO_ONNX)
    said = refused("export", "m.pt", "--toolkit", "9.9.9")
    assert "needs rknn-toolkit2 9.9.9, which is not installed: 'yolorknn toolkit install' makes an environment" in said
    assert exported.calls == [] == build.calls


@pytest.mark.parametrize("text", ["", "0", "-640", "640,", "1,2,3", "640x640", "a"])
def test_what_is_no_size(export: Recorder, text: str) -> None:
    assert misused("export", "m.pt", f"--imgsz={text}") == (
        f"Invalid value for --imgsz: '{text}' is not a size: give 640, or height,width as 384,640"
    )


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
        "Invalid value for --onnx-only: builds no .rknn: leave out --dtype, --dataset, --toolkit, --data and the "
        "options of the build",
        "Invalid value for --max-drop: chooses the recipe itself: leave out the options of the build",
    )
    assert export.calls == []


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


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--for", "frigate", "--dataset", DATASET / "images"), "one scale of int8 cannot hold"),
        (("--for", "frigate", "--platform", "rv1106"), "Frigate does not run on the NPU of rv1106"),
    ],
)
def test_for_a_program_that_does_not_take_it(
    export: Recorder, build: Recorder, words: tuple[object, ...], said: str
) -> None:
    assert said in refused("export", "m.pt", *words)
    assert export.calls == [] == build.calls


def test_for_a_program_that_chooses_or_is_not_known(export: Recorder) -> None:
    assert "leave out --head" in misused("export", "m.pt", "--for", "zoo", "--head", "decoded")
    assert "'opencv' is not one of" in misused("export", "m.pt", "--for", "opencv")
    assert export.calls == []
