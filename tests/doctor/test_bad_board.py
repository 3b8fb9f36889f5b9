"""The doctor on trees of bad boards: each pain that a program can see has a finding and a command."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from tests.fakes.trees import Spoil, Tree, by_check, library, library_moved, model_for
from yolorknn.doctor.examine import examine


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
    tree.write("/etc/machine-id", "0123456789abcdef0123456789abcdef\n")


def container_without_device(tree: Tree) -> None:
    tree.write("/.dockerenv", "")
    tree.write("/etc/machine-id", "0123456789abcdef0123456789abcdef\n")
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
    "no device": (
        lambda t: t.remove("/dev/dri"),
        "device",
        "problem",
        r"neither /dev/dri/renderD\* nor /dev/rknpu",
        "dmesg",
    ),
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


def test_root_and_members_of_the_group_may_use_the_device(tree: Tree) -> None:
    shut(tree)
    group = (tree.root / "dev/dri/renderD129").stat().st_gid
    for one in (replace(tree.machine, user=0), replace(tree.machine, groups=(44, group))):
        assert by_check(examine(one))["device"].status == "ok"
