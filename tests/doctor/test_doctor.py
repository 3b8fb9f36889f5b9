"""The doctor on trees of good and bad boards: each pain that a program can see has a finding and a command."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.fakes.encode import split_metadata
from tests.fakes.rknn_files import write_rknn
from tests.fakes.trees import Spoil, Tree, library
from yolorknn import BackendError, InferenceError, ModelError
from yolorknn.cli.app import app
from yolorknn.doctor import examine as doctor
from yolorknn.doctor.examine import Finding, Machine, diagnosed, examine, explain
from yolorknn.model.metadata import Build
from yolorknn.model.platforms import FIRST_GENERATION


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path / "root")


def model_for(place: Path, platform: str = "rk3588") -> Path:
    metadata = replace(split_metadata((64, 64), 3), build=Build(platform, "i8", "2.3.2"))
    return write_rknn(place / "m.rknn", metadata, platform=platform)


def by_check(findings: list[Finding]) -> dict[str, Finding]:
    return {finding.check: finding for finding in findings}


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


def moved(tree: Tree) -> None:
    tree.remove("/usr/lib/librknnrt.so")
    tree.write("/usr/lib64/librknnrt.so", library())


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
        moved,
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
    "python 3.13": (lambda t: t.as_(python=(3, 13)), "Python", "problem", r"Python 3\.13", "uv venv --python 3.12"),
    "no wheel": (
        lambda t: t.packages(rknn_toolkit_lite2=None),
        "rknn-toolkit-lite2",
        "problem",
        "is not installed",
        r"pip install 'yolorknn\[board\]'",
    ),
    "old wheel": (
        lambda t: t.packages(rknn_toolkit_lite2="1.6.0"),
        "rknn-toolkit-lite2",
        "warning",
        "older than 2.3.2",
        r"pip install -U 'yolorknn\[board\]'",
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
    assert {found[check].status for check in ("NPU driver", "device", "librknnrt", "rknn-toolkit-lite2")} == {"problem"}


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
        ("rknn-toolkit2", None, "problem", "pip install 'yolorknn[export]'"),
        ("onnx", "1.19.0", "problem", "pip install 'onnx>=1.16.1,<1.19'"),
        ("numpy", "2.2.6", "problem", "pip install 'numpy<2'"),
        ("setuptools", "82.0.1", "problem", "pip install 'setuptools<82'"),
        ("setuptools", None, "problem", "pip install 'setuptools<82'"),
        ("torch", "2.8.0+cu128", "warning", "pip install 'torch==2.4.0'"),
        ("protobuf", "6.31.0", "warning", "pip install 'protobuf<=4.25.4'"),
        ("ultralytics", "8.3.10", "problem", "pip install 'ultralytics>=8.4,<9'"),
        ("onnxruntime", None, "warning", "pip install 'yolorknn[onnx]'"),
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


@pytest.fixture
def here(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> Tree:
    """Let the command believe that it runs on the tree's board."""
    monkeypatch.setattr(doctor, "Machine", lambda: tree.machine)
    return tree


def test_the_command(here: Tree) -> None:
    done = CliRunner().invoke(app, ["doctor"])
    assert done.exit_code == 0 and "ok       chip: Radxa ROCK 5B: rk3588, 3 NPU cores\n" in done.output
    moved(here)
    done = CliRunner().invoke(app, ["doctor"])
    assert done.exit_code == 1
    assert "problem  librknnrt.so is" in done.output
    assert "\n         fix: sudo ln -s /usr/lib64/librknnrt.so /usr/lib/librknnrt.so\n" in done.output
    done = CliRunner().invoke(app, ["doctor", "--json"])
    assert done.exit_code == 1
    rows = json.loads(done.output)
    assert [row["check"] for row in rows if row["status"] == "problem"] == ["librknnrt"]


@pytest.mark.parametrize("error", [BackendError, InferenceError, ModelError])
def test_an_error_on_the_board_points_to_the_finding(here: Tree, tmp_path: Path, error: type[Exception]) -> None:
    moved(here)
    path = model_for(tmp_path)
    with (
        pytest.raises(
            error, match=r"init failed; yolorknn doctor finds: librknnrt.so is .*only: sudo ln -s /usr/lib64"
        ),
        diagnosed(path),
    ):
        raise error("init failed")
    path.write_bytes(b"")  # a model that the doctor cannot read is not the doctor's error
    assert explain(path) is not None


def test_an_error_where_nothing_is_wrong_stays_as_it_is(here: Tree, tmp_path: Path) -> None:
    with pytest.raises(BackendError, match=r"^init failed$"), diagnosed(model_for(tmp_path)):
        raise BackendError("init failed")


def test_on_a_pc_nothing_is_added(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    empty = Machine(root=tmp_path / "empty", architecture="x86_64", version=lambda _: None)
    monkeypatch.setattr(doctor, "Machine", lambda: empty)
    with pytest.raises(ModelError, match=r"^no board$"), diagnosed(model_for(tmp_path)):
        raise ModelError("no board")
