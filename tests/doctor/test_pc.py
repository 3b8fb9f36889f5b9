"""The doctor on a PC: packages that are absent, too new or too old for rknn-toolkit2."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import DEMO_ONNX
from tests.fakes.trees import by_check, model_for
from yolorknn.doctor.examine import examine
from yolorknn.doctor.machine import Finding, Machine
from yolorknn.errors import MetadataError

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
        ("rknn-toolkit2", None, "problem", "pip install '.[export]'  # in a checkout of yolorknn"),
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
    with pytest.raises(MetadataError, match=r"relu\.onnx is not a"):
        examine(machine, model=tmp_path / "relu.onnx")
    assert examine(machine, model=DEMO_ONNX)[:-1] == examine(machine)


def test_a_pc_that_runs_onnx_alone(tmp_path: Path) -> None:
    """Set up with [onnx] only: nothing is wrong with it, whatever its numpy, Python and processor."""
    packages = {"onnx": "1.18.0", "onnxruntime": "1.26.0", "numpy": "2.3.1", "protobuf": "6.31.0"}
    machine = Machine(root=tmp_path, architecture="arm64", python=(3, 13), version=packages.get)
    found = by_check(examine(machine))
    assert {finding.status for finding in found.values()} == {"ok"}
    assert "'.[export]'" in found["conversion"].fix
