"""File trees of boards, good and bad, as their kernels and distributions lay them out."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from tests.fakes.encode import split_metadata
from tests.fakes.rknn_files import write_rknn
from yolorknn.doctor.machine import Finding, Machine
from yolorknn.model.metadata import Build

PACKAGES = {"rknn-toolkit-lite2": "2.3.2", "numpy": "1.26.4"}
STRANGER = 54321
"""A user who owns nothing in the tree."""


def library(version: str | None = "2.3.2", *, machine: int = 183) -> bytes:
    """Return the beginning of an ELF library, and the text in it that says the version."""
    head = b"\x7fELF\x02\x01\x01".ljust(16, b"\0") + struct.pack("<HH", 3, machine)
    said = f"librknnrt version: {version} (429f97ae6b@2025-04-09T09:09:27)".encode() if version else b""
    return head.ljust(256, b"\0") + said + b"\0rknn_init\0"


class Tree:
    """A board's files below a folder; starts as a good Rock 5B that runs Rockchip's 6.1 kernel."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.machine = Machine(
            root=root,
            architecture="aarch64",
            python=(3, 11),
            user=STRANGER,
            groups=(44,),
            version=PACKAGES.get,
            broken=lambda: None,
            library_path=(),
            ffmpeg=lambda _: None,
        )
        self.write("/proc/device-tree/compatible", b"radxa,rock-5b\0rockchip,rk3588\0")
        self.write("/proc/device-tree/model", b"Radxa ROCK 5B\0")
        self.write("/proc/sys/kernel/osrelease", "6.1.84-vendor-rk35xx\n")
        self.write("/proc/meminfo", "MemTotal:       16098392 kB\nMemFree: 5 kB\nMemAvailable:   14214808 kB\n")
        self.write("/sys/kernel/debug/rknpu/version", "RKNPU driver: v0.9.8\n")
        self.write("/sys/kernel/debug/rknpu/load", "NPU load:  Core0:  0%, Core1:  3%, Core2:  0%,\n")
        (root / "sys/module/rknpu").mkdir(parents=True)
        for node in ("renderD128", "renderD129"):
            self.write(f"/dev/dri/{node}", "").chmod(0o666)
        self.write("/usr/lib/librknnrt.so", library())
        npu = "/sys/class/devfreq/fdab0000.npu"
        self.write(f"{npu}/governor", "rknpu_ondemand\n")
        self.write(f"{npu}/cur_freq", "1000000000\n")
        self.write(f"{npu}/max_freq", "1000000000\n")
        self.write(f"{npu}/available_frequencies", "300000000 600000000 1000000000 \n")
        for policy, clock in ((0, 1800000), (4, 2256000), (6, 2304000)):
            self.write(f"/sys/devices/system/cpu/cpufreq/policy{policy}/scaling_governor", "ondemand\n")
            self.write(f"/sys/devices/system/cpu/cpufreq/policy{policy}/scaling_cur_freq", f"{clock}\n")
        for number, (zone, temperature) in enumerate({"soc-thermal": 47153, "npu-thermal": 46230}.items()):
            self.write(f"/sys/class/thermal/thermal_zone{number}/type", f"{zone}\n")
            self.write(f"/sys/class/thermal/thermal_zone{number}/temp", f"{temperature}\n")

    def write(self, name: str, content: str | bytes) -> Path:
        path = self.root / name.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def remove(self, *names: str) -> None:
        for name in names:
            path = self.root / name.lstrip("/")
            if path.is_dir():
                for child in sorted(path.rglob("*"), reverse=True):
                    child.rmdir() if child.is_dir() else child.unlink()
                path.rmdir()
            else:
                path.unlink()

    def chip(self, compatible: str, model: str) -> None:
        self.write("/proc/device-tree/compatible", compatible.encode())
        self.write("/proc/device-tree/model", f"{model}\0")

    def packages(self, **versions: str | None) -> None:
        known = {**PACKAGES, **{name.replace("_", "-"): version for name, version in versions.items()}}
        self.machine = replace(self.machine, version=known.get)

    def as_(self, **what: object) -> None:
        self.machine = replace(self.machine, **what)  # type: ignore[arg-type]


Spoil = Callable[[Tree], object]


def model_for(folder: Path, platform: str = "rk3588") -> Path:
    """Write a .rknn that was built for a platform."""
    metadata = replace(split_metadata((64, 64), 3), build=Build(platform, "i8", "2.3.2"))
    return write_rknn(folder / "m.rknn", metadata, platform=platform)


def by_check(findings: list[Finding]) -> dict[str, Finding]:
    """Return findings by what was looked at."""
    return {finding.check: finding for finding in findings}


def library_moved(tree: Tree) -> None:
    """Put librknnrt where rknn-toolkit-lite2 does not look."""
    tree.remove("/usr/lib/librknnrt.so")
    tree.write("/usr/lib64/librknnrt.so", library())
