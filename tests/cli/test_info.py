from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import DEMO, DEMO_ONNX, needs_ort, needs_torch
from tests.fakes.commands import Recorder, misused, refused, replace_function, run, yolorknn
from tests.fakes.encode import split_metadata
from tests.fakes.rknn_files import write_rknn
from yolorknn.errors import ModelError
from yolorknn.model.anchor_sizes import given_anchors
from yolorknn.model.metadata import Build, ModelMetadata

FACTS = {"format": "rknn", "names": ["person", "日本"], "imgsz": [640, 640], "platform": "rk3588"}


@pytest.fixture
def describe(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    return replace_function(monkeypatch, "yolorknn.tasks.describe.describe", FACTS)


@pytest.fixture
def inspect(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    return replace_function(monkeypatch, "yolorknn.convert.export.inspect.inspect", {"head": "Detect"})


def test_what_it_passes_on(describe: Recorder, inspect: Recorder, tmp_path: Path) -> None:
    file = tmp_path / "m.rknn"
    file.write_bytes(b"12345")
    done = run("info", file)
    assert describe.call == {"path": file, "names": None, "anchors": None} and inspect.calls == []
    assert done.stderr == "" and done.stdout.splitlines() == [
        f"file            {file}",
        "bytes           5",
        "format          rknn",
        'names           ["person", "日本"]',
        "imgsz           [640, 640]",
        "platform        rk3588",
    ]


def test_every_option(describe: Recorder, tmp_path: Path) -> None:
    file = tmp_path / "m.onnx"
    file.write_bytes(b"12345")
    (names := tmp_path / "names.txt").write_text("person\n日本\n")
    (anchors := tmp_path / "anchors.txt").write_text(" ".join(map(str, range(10, 28))))
    done = run("info", file, "--json", "--names", names, "--anchors", anchors)
    told = {"names": ["person", "日本"], "anchors": given_anchors(str(anchors))}
    assert describe.call == {"path": file, **told} and "日本" in done.stdout
    assert list(json.loads(done.stdout).items()) == list({"file": str(file), "bytes": 5, **FACTS}.items())


def test_a_checkpoint(describe: Recorder, inspect: Recorder, tmp_path: Path) -> None:
    file = tmp_path / "m.PT"
    file.write_bytes(b"1")
    done = run("info", file, "--json")
    assert inspect.call == {"checkpoint": file} and describe.calls == []
    assert json.loads(done.stdout) == {"file": str(file), "bytes": 1, "format": "pt", "head": "Detect"}


def test_what_is_long_is_on_several_lines(describe: Recorder, tmp_path: Path) -> None:
    """Names with their numbers, outputs and the build's fields one a line; what a terminal acts on written out."""
    names = [f"the class\x1b {number}" for number in range(80)]
    outputs = [f"box{number} 1x64x40x40 int8" for number in range(9)]
    describe.answer = {"names": names, "outputs": outputs, "build": {"platform": "rk3588", "digest": "a" * 90}}
    (tmp_path / "m.rknn").touch()
    lines = run("info", tmp_path / "m.rknn").stdout.splitlines()
    assert all(len(line) <= 116 for line in lines[2:]) and "\x1b" not in "".join(lines)
    text = " ".join(" ".join(lines).split())
    assert "names 80 by number: 0 the class\\x1b 0, 1 the class" in text and "79 the class\\x1b 79" in text
    assert sum("1x64x40x40" in line for line in lines) == 9 and "platform: rk3588" in lines[-2]


def test_what_fails_or_is_mistyped(describe: Recorder, tmp_path: Path) -> None:
    assert misused("info").startswith("Missing argument")
    assert refused("info", tmp_path / "m.rknn") == f"there is no model file {tmp_path / 'm.rknn'}"
    assert refused("info", tmp_path) == f"{tmp_path} is a folder, not a model"
    assert describe.calls == []
    (tmp_path / "m.rknn").touch()
    describe.answer = ModelError("m.rknn is empty")
    assert refused("info", tmp_path / "m.rknn") == "m.rknn is empty"


@needs_ort
def test_the_models_of_the_demo(tmp_path: Path) -> None:
    build = Build("rk3588", "i8", "2.3.2", dataset="d", images=3)
    metadata = ModelMetadata(**{**split_metadata((64, 64), 2).__dict__, "build": build})
    rknn = write_rknn(tmp_path / "m.rknn", metadata)
    facts = json.loads(yolorknn("info", rknn, "--json", cwd=tmp_path).stdout)
    assert facts["platforms"] == ["rk3588"] and facts["names"] == ["n0", "n1"] and facts["build"]["images"] == 3
    assert "rk3588" in yolorknn("info", rknn, cwd=tmp_path).stdout
    facts = json.loads(yolorknn("info", DEMO_ONNX, "--json", cwd=tmp_path).stdout)
    assert facts["imgsz"] == [320, 320] and facts["head"] == "split" and facts["opset"] == 12


@needs_torch
def test_info_of_a_checkpoint(tmp_path: Path) -> None:
    facts = json.loads(yolorknn("info", DEMO, "--json", cwd=tmp_path).stdout)
    assert facts["head"] == "Detect" and facts["strides"] == [8, 16, 32] and facts["names"][5] == "star"
