"""The doctor on a PC: packages that are absent, too new or too old for rknn-toolkit2."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.conftest import DEMO_ONNX
from tests.fakes.trees import by_check, model_for
from yolorknn.doctor.examine import examine
from yolorknn.doctor.machine import Finding, Machine
from yolorknn.doctor.pc import _first_toolkit

GOOD_PC = {
    "rknn-toolkit2": "2.3.2",
    "onnx": "1.18.0",
    "numpy": "1.26.4",
    "setuptools": "65.5.0",
    "torch": "2.4.0+cpu",
    "protobuf": "4.25.4",
    "ultralytics": "8.4.190",
    "onnxruntime": "1.26.0",
}


def pc(root: Path, **packages: str | None) -> dict[str, Finding]:
    known = {**GOOD_PC, **{name.replace("_", "-"): version for name, version in packages.items()}}
    return by_check(examine(Machine(root=root, architecture="x86_64", python=(3, 11), version=known.get)))


def test_a_good_pc(tmp_path: Path) -> None:
    assert {finding.status for finding in pc(tmp_path).values()} == {"ok"}


@pytest.mark.parametrize(
    ("package", "version", "status", "fix"),
    [
        ("rknn-toolkit2", "2.5.0", "warning", "pip install 'rknn-toolkit2>=2.3.2,<2.5'"),
        ("rknn-toolkit2", "2.2.0", "problem", "pip install 'rknn-toolkit2>=2.3.2,<2.5'"),
        ("rknn-toolkit2", None, "problem", "yolorknn toolkit install"),
        ("onnx", "1.19.0", "problem", "pip install 'onnx>=1.16.1,<1.19'"),
        ("numpy", "2.2.6", "problem", "pip install 'numpy<2'"),
        ("setuptools", "82.0.1", "problem", "pip install 'setuptools<82'"),
        ("setuptools", None, "problem", "pip install 'setuptools<82'"),
        ("torch", "2.8.0+cu128", "warning", "pip install 'torch==2.4.0'"),
        ("protobuf", "6.31.0", "warning", "pip install 'protobuf<=4.25.4'"),
        ("ultralytics", "8.3.10", "problem", "pip install 'ultralytics>=8.4,<9'"),
        ("onnxruntime", None, "warning", "pip install '.[onnx]'  # in a checkout of yolorknn"),
    ],
)
def test_a_bad_pc(tmp_path: Path, package: str, version: str | None, status: str, fix: str) -> None:
    found = pc(tmp_path, **{package: version})
    assert found[package].status == status and found[package].fix == fix
    assert [name for name, finding in found.items() if finding.status != "ok"] == [package]


def test_a_pc_of_another_kind(tmp_path: Path) -> None:
    machine = Machine(root=tmp_path, architecture="riscv64", python=(3, 13), version=GOOD_PC.get)
    found = by_check(examine(machine))
    assert found["machine"].status == found["Python"].status == "problem"


def test_a_model_is_looked_at_and_named(tmp_path: Path) -> None:
    machine = Machine(root=tmp_path, architecture="x86_64", python=(3, 11), version=GOOD_PC.get)
    rknn = by_check(examine(machine, model=model_for(tmp_path, "rk3576")))["model"]
    assert (rknn.status, rknn.text) == (
        "ok",
        f"{tmp_path / 'm.rknn'} can be read, built for rk3576 by rknn-toolkit2 2.3.2; it does not run here: "
        "'yolorknn doctor --model m.rknn' on the board compares it with what is there",
    )
    onnx = by_check(examine(machine, model=DEMO_ONNX))["model"]
    assert (onnx.status, onnx.text) == ("ok", f"{DEMO_ONNX} can be read: onnxruntime runs it here")


def test_a_model_that_yolorknn_does_not_know(tmp_path: Path) -> None:
    """On a PC the doctor looks at it as any command would, without running it."""
    onnx = pytest.importorskip("onnx")
    shapes = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, 3, 32, 32]) for name in "xy"]
    graph = onnx.helper.make_graph([onnx.helper.make_node("Relu", ["x"], ["y"])], "g", shapes[:1], shapes[1:])
    onnx.save(onnx.helper.make_model(graph), tmp_path / "relu.onnx")
    machine = Machine(root=tmp_path, architecture="x86_64", python=(3, 11), version=GOOD_PC.get)
    found = by_check(examine(machine, model=tmp_path / "relu.onnx"))["model"]
    assert (found.status, found.text) == ("ok", f"{tmp_path / 'relu.onnx'} can be read: onnxruntime runs it here")
    assert examine(machine, model=DEMO_ONNX)[:-1] == examine(machine)


def test_a_pc_that_runs_onnx_alone(tmp_path: Path) -> None:
    """Set up with [onnx] only: nothing is wrong with it, whatever its numpy, Python and processor."""
    packages = {"onnx": "1.18.0", "onnxruntime": "1.26.0", "numpy": "2.3.1", "protobuf": "6.31.0"}
    machine = Machine(root=tmp_path, architecture="arm64", python=(3, 13), version=packages.get)
    found = by_check(examine(machine))
    assert {finding.status for finding in found.values()} == {"ok"}
    assert "'.[pc]'" in found["conversion"].fix


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a user has environments, in the tree that is looked at."""
    monkeypatch.setenv("XDG_DATA_HOME", "/home/me/.data")
    folder = tmp_path / "home/me/.data/yolorknn/toolkits"
    folder.mkdir(parents=True)
    return folder


def make_environment(folder: Path) -> None:
    packages = folder / "lib/python3.11/site-packages"
    (packages / "rknn/api").mkdir(parents=True)
    (packages / f"rknn_toolkit2-{folder.name}.dist-info").mkdir()
    (folder / "bin").mkdir()
    (folder / "bin/python").write_text("")


def test_a_training_environment_with_the_toolkit_in_one_of_its_own(tmp_path: Path, data: Path) -> None:
    """Newest torch, numpy 2 and Python 3.13 are no trouble then; without any toolkit, one command brings it."""
    newest = {"ultralytics": "8.4.190", "torch": "2.14.1", "numpy": "2.5.5", "onnx": "1.23.2", "protobuf": "7.36.2"}
    machine = Machine(
        root=tmp_path,
        architecture="x86_64",
        python=(3, 13),
        version={**newest, "onnxruntime": "1.32.0", "setuptools": "84.2.1"}.get,
    )
    lacking = by_check(examine(machine))
    assert {name for name, finding in lacking.items() if finding.status != "ok"} == {"rknn-toolkit2"}
    assert lacking["rknn-toolkit2"].fix == "yolorknn toolkit install"
    make_environment(data / "2.3.2")
    found = by_check(examine(machine))
    assert {finding.status for finding in found.values()} == {"ok"}
    assert found["rknn-toolkit2"].text == f"rknn-toolkit2 2.3.2 in {data / '2.3.2'}"
    make_environment(data / "2.5.0")
    warned = by_check(examine(machine))["rknn-toolkit2"]
    assert warned.status == "warning" and f"also 2.3.2 in {data / '2.3.2'}" in warned.text
    (data / "2.5.0/bin/python").unlink()
    assert by_check(examine(machine))["rknn-toolkit2"].status == "ok"
    (data / "2.3.2/bin/python").unlink()
    broken = by_check(examine(machine))["rknn-toolkit2"]
    assert broken.status == "problem" and "2.3.2 is broken: there is no" in broken.text


PYTHON = {"python": [3, 6]}


@pytest.mark.parametrize(
    ("answer", "named", "status", "words"),
    [
        ({"rknn_toolkit": "1.7.3", "numpy": "1"}, True, "ok", r"1\.7\.3, .*RV1126.* in .*python \(Python 3\.6\)$"),
        ({"rknn_toolkit": "1.7.5"}, True, "ok", r"no simulator and no --pre-compile, which 1\.7\.3 has; no numpy"),
        ({}, True, "problem", r"\(Python 3\.6\) has no rknn-toolkit"),
        ({}, False, "ok", r"is not found"),
    ],
)
def test_the_toolkit_of_the_first_generation(  # noqa: PLR0917
    answer: dict[str, str], named: bool, status: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\necho '{json.dumps({**PYTHON, **answer})}'\n")
    python.chmod(0o755)
    monkeypatch.delenv("YOLORKNN_TOOLKIT1", raising=False)
    if named:
        monkeypatch.setenv("YOLORKNN_TOOLKIT1", str(python))
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setenv("PYENV_ROOT", "/nowhere")
    found = _first_toolkit()
    assert found.status == status and re.search(words, found.text), found


def test_environments_beside_a_toolkit_of_ours(tmp_path: Path, data: Path) -> None:
    make_environment(data / "2.5.0")
    assert pc(tmp_path)["rknn-toolkit2"].text == f"rknn-toolkit2 2.3.2; also 2.5.0 in {data / '2.5.0'}"
    assert pc(tmp_path, numpy="2.2.6")["numpy"].status == "problem"
