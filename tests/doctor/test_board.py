"""The doctor on trees of good and bad boards: each pain that a program can see has a finding and a command."""

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
from tests.fakes.trees import Spoil, Tree, by_check, library, library_moved, model_for
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


def no_driver(tree: Tree) -> None:
    tree.remove("/sys/kernel/debug/rknpu", "/sys/module/rknpu")
    tree.write("/proc/sys/kernel/osrelease", "6.18.1\n")


def mainline(tree: Tree) -> None:
    no_driver(tree)
    tree.write("/dev/accel/accel0", "")


def shut(tree: Tree) -> None:
    (tree.root / "dev/dri/renderD129").chmod(0o660)


def hidden(tree: Tree) -> None:
    tree.remove("/proc/device-tree")
    tree.write("/.dockerenv", "")


def container_without_device(tree: Tree) -> None:
    tree.write("/.dockerenv", "")
    tree.remove("/dev/dri/renderD129")


NPU = "/sys/class/devfreq/fdab0000.npu"
GET = r"sudo curl -fL -o /usr/lib/librknnrt\.so https://github\.com/airockchip/\S+/v2\.3\.2/\S+/aarch64/librknnrt\.so"
BAD: dict[str, tuple[Spoil, str, str, str, str]] = {
    "no driver": (no_driver, "NPU driver", "problem", "kernel 6.18.1 has no rknpu driver", "linux-image-vendor"),
    "mainline": (mainline, "NPU driver", "problem", "rocket driver is mainline's", "linux-image-vendor"),
    "old driver": (
        lambda t: t.write("/sys/kernel/debug/rknpu/version", "RKNPU driver: v0.9.2"),
        "NPU driver",
        "warning",
        r"rknpu 0\.9\.2.*failed to submit!",
        "sudo apt update && sudo apt full-upgrade",
    ),
    "debugfs is root's": (
        lambda t: t.remove("/sys/kernel/debug/rknpu"),
        "NPU driver",
        "warning",
        "readable by root only",
        "sudo cat /sys/kernel/debug/rknpu/version",
    ),
    "no library": (lambda t: t.remove("/usr/lib/librknnrt.so"), "librknnrt", "problem", "no readable", GET),
    "library elsewhere": (
        library_moved,
        "librknnrt",
        "problem",
        "is /usr/lib64/librknnrt.so, but",
        "sudo ln -s /usr/lib64/librknnrt.so /usr/lib/librknnrt.so",
    ),
    "a web page": (
        lambda t: t.write("/usr/lib/librknnrt.so", "\n<!DOCTYPE html>\n<html lang=en>"),
        "librknnrt",
        "problem",
        "is a web page .'invalid ELF header'",
        GET,
    ),
    "cut library": (lambda t: t.write("/usr/lib/librknnrt.so", ""), "librknnrt", "problem", "is not a library", GET),
    "32 bit": (
        lambda t: t.write("/usr/lib/librknnrt.so", library(machine=40)),
        "librknnrt",
        "problem",
        "is for arm .32 bit., not aarch64",
        GET,
    ),
    "x86": (
        lambda t: t.write("/usr/lib/librknnrt.so", library(machine=62)),
        "librknnrt",
        "problem",
        "is for x86_64",
        GET,
    ),
    "old library": (
        lambda t: t.write("/usr/lib/librknnrt.so", library("1.5.2")),
        "librknnrt",
        "problem",
        r"librknnrt 1\.5\.2 refuses .*Invalid RKNN model version 6",
        GET,
    ),
    "nameless library": (
        lambda t: t.write("/usr/lib/librknnrt.so", library(None)),
        "librknnrt",
        "warning",
        "does not say its version",
        "strings /usr/lib/librknnrt.so",
    ),
    "older than the model": (
        lambda t: t.write("/usr/lib/librknnrt.so", library("2.3.0")),
        "model",
        "problem",
        r"by rknn-toolkit2 2\.3\.2, but librknnrt is 2\.3\.0",
        GET,
    ),
    "no permission": (
        shut,
        "device",
        "problem",
        r"no permission for /dev/dri/renderD129 .*failed to open rknpu module",
        r"sudo usermod -aG render,video \$USER",
    ),
    "no device": (lambda t: t.remove("/dev/dri"), "device", "problem", r"no /dev/dri/renderD", "dmesg"),
    "container without device": (
        container_without_device,
        "device",
        "problem",
        "container has no /dev/dri/renderD129",
        "docker run .*--device /dev/dri",
    ),
    "hidden device tree": (
        hidden,
        "chip",
        "problem",
        "the container hides /proc/device-tree/compatible",
        "docker run --security-opt systempaths=unconfined",
    ),
    "rv1106": (
        lambda t: t.chip("luckfox,pico\0rockchip,rv1106\0", "Luckfox Pico"),
        "chip",
        "problem",
        "does not run on rv1106, only the vendor's C runtime",
        "git clone",
    ),
    "rk3399": (
        lambda t: t.chip("pine64,rockpro64\0rockchip,rk3399\0", "RockPro64"),
        "chip",
        "problem",
        "rk3399 is no chip that rknn-toolkit2 builds for",
        "yolorknn build --help",
    ),
    "python 3.9": (
        lambda t: t.as_(python=(3, 9)),
        "Python",
        "problem",
        r"Python 3\.9: .*3\.10 or later",
        "uv venv --python 3.12",
    ),
    "old wheel": (
        lambda t: t.packages(rknn_toolkit_lite2="1.6.0"),
        "runtime",
        "warning",
        "older than 2.3.2",
        r"pip install -U rknn-toolkit-lite2",
    ),
    "NPU powersave": (
        lambda t: t.write(f"{NPU}/governor", "powersave"),
        "NPU clock",
        "warning",
        "governor powersave",
        f"echo performance | sudo tee {NPU}/governor",
    ),
    "NPU limited": (
        lambda t: t.write(f"{NPU}/max_freq", "600000000"),
        "NPU clock",
        "warning",
        "limited",
        f"echo 1000000000 | sudo tee {NPU}/max_freq",
    ),
    "CPU powersave": (
        lambda t: t.write("/sys/devices/system/cpu/cpufreq/policy4/scaling_governor", "powersave"),
        "CPU clock",
        "warning",
        "governor ondemand, powersave",
        "echo performance | sudo tee /sys/devices/system/cpu",
    ),
    "busy": (
        lambda t: t.write("/sys/kernel/debug/rknpu/load", "NPU load:  Core0: 97%, Core1:  0%, Core2:  0%,"),
        "NPU load",
        "warning",
        "97%, 0%, 0% busy",
        "sudo fuser -v /dev/dri",
    ),
    "no memory": (
        lambda t: t.write("/proc/meminfo", "MemAvailable:   102400 kB"),
        "memory",
        "warning",
        "100 MB of memory are free",
        "ps aux",
    ),
    "hot": (
        lambda t: t.write("/sys/class/thermal/thermal_zone1/temp", "91000"),
        "temperature",
        "warning",
        r"91 °C at most \(npu-thermal\)",
        "a fan",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_board(tree: Tree, tmp_path: Path, name: str) -> None:
    spoil, check, status, text, fix = BAD[name]
    spoil(tree)
    findings = examine(tree.machine, model=model_for(tmp_path))
    found = by_check(findings)[check]
    assert found.status == status
    assert re.search(text, found.text), found
    assert re.search(fix if "\\" in fix or ".*" in fix else re.escape(fix), found.fix), found
    others = {finding.check for finding in findings if finding.status != "ok"} - {check}
    assert others <= ({"model"} if name in ("old library", "rv1106") else set()), findings


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


@pytest.mark.parametrize("chip", FIRST_GENERATION)
def test_a_first_generation_board(tree: Tree, chip: str) -> None:
    tree.chip(f"maker,board\0rockchip,{chip}\0", "Board")
    found = examine(tree.machine)[0]
    assert found.status == "problem" and found.text.startswith(f"{chip} has an NPU of the first generation")


def test_root_and_members_of_the_group_may_use_the_device(tree: Tree) -> None:
    shut(tree)
    group = (tree.root / "dev/dri/renderD129").stat().st_gid
    for one in (replace(tree.machine, user=0), replace(tree.machine, groups=(44, group))):
        assert by_check(examine(one))["device"].status == "ok"


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
