"""The doctor on the tree of a good board, on its runtime and its model, and what no command of a finding has in it."""

from __future__ import annotations

import json
import re
import struct
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from tests.fakes.encode import split_metadata
from tests.fakes.rknn_files import write_rknn
from tests.fakes.trees import Tree, by_check, library, model_for
from yolorknn.doctor.examine import examine
from yolorknn.doctor.machine import Machine
from yolorknn.model.metadata import Build
from yolorknn.model.platforms import FIRST_GENERATION


def test_a_good_board(tree: Tree, tmp_path: Path) -> None:
    findings = examine(tree.machine, model=model_for(tmp_path))
    assert {finding.status for finding in findings} == {"ok"}, findings
    assert all(finding.fix == "" for finding in findings)
    found = by_check(findings)
    assert found["chip"].text == "Radxa ROCK 5B: rk3588, 3 NPU cores"
    assert found["NPU driver"].text == "rknpu 0.9.8, kernel 6.1.84-vendor-rk35xx"
    assert found["librknnrt"].text == "librknnrt 2.3.2"
    assert found["device"].text == "/dev/dri/renderD128, /dev/dri/renderD129"
    assert found["NPU clock"].text == "governor rknpu_ondemand, 1000 MHz of 1000"
    assert found["CPU clock"].text == "governor ondemand; 1800, 2256, 2304 MHz"
    assert found["NPU load"].text == "NPU cores are 0%, 3%, 0% busy"
    assert found["memory"].text == "13881 MB of memory are free"
    assert found["temperature"].text == "47 °C at most (soc-thermal)"


def test_which_runtime_is_used_and_why(tree: Tree) -> None:
    assert by_check(examine(tree.machine))["runtime"].text.startswith(
        "rknn-toolkit-lite2 is used (--runtime lite), as "
    )
    tree.packages(rknn_toolkit_lite2=None)
    found = by_check(examine(tree.machine))["runtime"]
    assert found.text == "librknnrt is used directly (--runtime c), as rknn-toolkit-lite2 is not installed"
    tree.as_(python=(3, 13))
    findings = by_check(examine(tree.machine))
    assert findings["runtime"].text == f"{found.text}, and has no wheel for Python 3.13"
    assert {findings["runtime"].status, findings["Python"].status} == {"ok"}


def test_a_wheel_that_cannot_be_imported_is_not_used(tree: Tree) -> None:
    tree.as_(broken=lambda: "No module named 'ruamel'")
    found = by_check(examine(tree.machine))["runtime"]
    assert found.status == "warning" and found.fix == "pip install --force-reinstall rknn-toolkit-lite2"
    assert found.text == (
        "librknnrt is used directly (--runtime c), as rknn-toolkit-lite2 2.3.2 cannot be imported "
        "(No module named 'ruamel')"
    )


OWN, CACHED, NAMED = "/usr/lib/aarch64-linux-gnu", "/usr/local/lib", "/opt/rknn"
"""Folders of the dynamic linker: its own, one that its cache tells, one of LD_LIBRARY_PATH."""


@pytest.mark.parametrize("folder", [OWN, CACHED, NAMED])
def test_librknnrt_is_looked_for_as_the_runtime_that_is_used_does(tree: Tree, tmp_path: Path, folder: str) -> None:
    tree.packages(rknn_toolkit_lite2=None)
    tree.write("/etc/ld.so.cache", f"glibc-ld.so.cache1.1\0librknnrt.so\0{CACHED}/librknnrt.so\0")
    tree.as_(library_path=("", NAMED))
    tree.write(f"{folder}/librknnrt.so", library("2.3.0"))
    for both in (True, False):  # the linker's comes before the wheel's
        if not both:
            tree.remove("/usr/lib/librknnrt.so")
        found = by_check(examine(tree.machine, model=model_for(tmp_path)))
        assert found["librknnrt"].status == "ok"
        assert found["librknnrt"].text == f"librknnrt 2.3.0, {folder}/librknnrt.so"
        assert "but librknnrt is 2.3.0" in found["model"].text
        assert f" -o {folder}/librknnrt.so https://" in found["model"].fix
    tree.packages(rknn_toolkit_lite2="2.3.2")
    found = by_check(examine(tree.machine))
    assert found["librknnrt"].status == "problem"


def test_librknnrt_where_nothing_looks(tree: Tree) -> None:
    tree.packages(rknn_toolkit_lite2=None)
    tree.remove("/usr/lib/librknnrt.so")
    tree.write(f"{CACHED}/librknnrt.so", library())
    found = by_check(examine(tree.machine))["librknnrt"]
    assert found.status == "problem" and found.fix == f"sudo ln -s {CACHED}/librknnrt.so /usr/lib/librknnrt.so"
    assert found.text == f"librknnrt.so is {CACHED}/librknnrt.so, but the linker does not look there"


def test_a_sound_library_is_used_in_place_of_a_broken_one(tree: Tree) -> None:
    tree.packages(rknn_toolkit_lite2=None)
    tree.write(f"{OWN}/librknnrt.so", "<html>")
    assert by_check(examine(tree.machine))["librknnrt"].text == "librknnrt 2.3.2"
    tree.write("/usr/lib/librknnrt.so", "")
    found = by_check(examine(tree.machine))["librknnrt"]
    assert found.status == "problem" and found.text.startswith(f"{OWN}/librknnrt.so is a web page")


@pytest.mark.parametrize("chip", FIRST_GENERATION)
def test_a_first_generation_board(tree: Tree, chip: str) -> None:
    tree.chip(f"maker,board\0rockchip,{chip}\0", "Board")
    found = examine(tree.machine)[0]
    assert found.status == "problem" and found.text.startswith(f"{chip} has an NPU of the first generation")


def test_a_model_for_another_chip(tree: Tree, tmp_path: Path) -> None:
    found = by_check(examine(tree.machine, model=model_for(tmp_path, "rk3566")))["model"]
    assert found.status == "problem" and "built for rk3566" in found.text and "this board is rk3588" in found.text
    assert found.fix == "yolorknn build m.onnx --platform rk3588"


def test_a_custom_op_needs_a_plugin(tree: Tree, tmp_path: Path) -> None:
    metadata = replace(split_metadata((64, 64), 3), build=Build("rk3588", "i8", "2.3.2"), custom_softmax=True)
    path = write_rknn(tmp_path / "m.rknn", metadata)
    found = by_check(examine(tree.machine, model=path))["model"]
    assert found.status == "warning" and found.fix == "yolorknn export CHECKPOINT.pt --no-custom-softmax"
    tree.write("/usr/lib/rknpu/op_plugins/librkcst_argmax.so", library())
    assert by_check(examine(tree.machine, model=path))["model"] == found, "a plug-in for another op"
    tree.write("/usr/lib/rknpu/op_plugins/librkcst_softmax.so", library())
    assert by_check(examine(tree.machine, model=path))["model"].status == "ok"


def test_a_bare_kernel_is_no_crash(tmp_path: Path) -> None:
    """A tree with nothing but the chip: every file that a check reads may be absent."""
    tree = tmp_path / "proc/device-tree/compatible"
    tree.parent.mkdir(parents=True)
    tree.write_bytes(b"rockchip,rk3566-evb\0rockchip,rk3566\0")
    machine = Machine(root=tmp_path, architecture="aarch64", version=lambda _: None)
    found = by_check(examine(machine))
    assert found["chip"].text == "rk3566-evb: rk3566, 1 NPU core"
    assert {found[check].status for check in ("NPU driver", "device", "librknnrt")} == {"problem"}


EVIL = ["9.9.9; evil #", "9.9.9$(evil)", "9.9.9\nevil", "9.9.9' evil", "9.9.9/../../evil", "9" * 5000, "9.9.9\x1b[31m"]


@pytest.mark.parametrize("version", EVIL)
def test_no_command_has_a_version_of_a_file(tree: Tree, tmp_path: Path, version: str) -> None:
    """The .rknn says by which toolkit it was built, and the command is for root."""
    data = model_for(tmp_path).read_bytes()
    text, changed = b'"version": "2.3.2"', json.dumps({"version": version}).encode()[1:-1]
    start = data.rindex(b'{"target_platform"') - 8
    trailer = data[start + 8 :].replace(text, changed)
    (tmp_path / "m.rknn").write_bytes(data[:start] + struct.pack("<Q", len(trailer)) + trailer)
    found = by_check(examine(tree.machine, model=tmp_path / "m.rknn"))["model"]
    assert found.status == "problem" and "librknnrt is 2.3.2" in found.text
    assert re.fullmatch(r"sudo curl -fL -o /usr/lib/librknnrt\.so https://\S+/v2\.3\.2/\S+", found.fix)


@pytest.mark.parametrize("name", ["$(evil)", "a; evil", "a\nevil", "it's"])
def test_no_command_has_a_name_unquoted(tree: Tree, tmp_path: Path, name: str) -> None:
    path = model_for(tmp_path, "rk3566").rename(tmp_path / f"{name}.rknn")
    fix = by_check(examine(tree.machine, model=path))["model"].fix
    shell = subprocess.run(["bash", "-c", f"printf '%s|' {fix}"], capture_output=True, check=True).stdout.decode()
    assert shell.split("|")[:-1] == ["yolorknn", "build", f"{name}.onnx", "--platform", "rk3588"] and "\n" not in fix
