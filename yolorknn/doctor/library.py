"""The doctor's check of librknnrt.so: the file that the runtime which is used would load."""

from __future__ import annotations

import os
import re

from yolorknn.doctor.container import container_of
from yolorknn.doctor.machine import Finding, Machine, numbers
from yolorknn.text import quoted

LIBRARY = "/usr/lib/librknnrt.so"
"""The only file that rknn-toolkit-lite2 looks for; librknnrt used directly is looked for as any library before."""
LINKED = "/usr/lib/aarch64-linux-gnu"
"""Where the dynamic linker of Debian and Ubuntu looks by itself; of other folders its cache tells."""
ELSEWHERE = ("/usr/lib64", LINKED, "/usr/local/lib", "/lib64", "/oem/usr/lib", "/vendor/lib64")
"""Folders that have it on systems that look there."""
MACHINES = {183: "aarch64", 40: "arm (32 bit)", 62: "x86_64", 3: "x86 (32 bit)"}
"""e_machine of an ELF file."""
ELF = b"\x7fELF"


def uses_wheel(machine: Machine) -> bool:
    """Tell whether a model is run by rknn-toolkit-lite2, as --runtime auto chooses."""
    return machine.version("rknn-toolkit-lite2") is not None and machine.broken() is None


def loaded_library(machine: Machine) -> str | None:
    """Return the librknnrt.so that would be loaded, or the first that there is where none can be; None without one."""
    places = [LIBRARY] if uses_wheel(machine) else _looked_for(machine)
    there = {file: data for file in places if (data := _read(machine, file)) is not None}
    return next((file for file, data in there.items() if data[:4] == ELF), next(iter(there), None))


def library_version(machine: Machine) -> str | None:
    """Return the version that the librknnrt.so which would be loaded says it has."""
    file = loaded_library(machine)
    return _version(_read(machine, file) or b"") if file else None


def get_library(version: str, file: str = LIBRARY) -> str:
    """Return the command that fetches librknnrt; a version that is none, as a file may state, does not enter it."""
    version = version if re.fullmatch(r"\d{1,2}\.\d{1,2}\.\d{1,2}", version, re.ASCII) else "2.3.2"
    url = f"https://github.com/airockchip/rknn-toolkit2/raw/v{version}/rknpu2/runtime/Linux/librknn_api/aarch64/librknnrt.so"
    return f"sudo curl -fL -o {quoted(file)} {url}"


def check_library(machine: Machine) -> Finding:
    """Look at the librknnrt.so that would be loaded."""
    file = loaded_library(machine)
    if file is None:
        return _absent(machine)
    data, fix = _read(machine, file) or b"", get_library("2.3.2", file)
    if data[:4] != ELF:
        kind = (
            "a web page" if b"<html" in data[:1000].lower() or b"<!doctype" in data[:1000].lower() else "not a library"
        )
        return Finding("librknnrt", "problem", f"{file} is {kind} ('invalid ELF header')", fix)
    kind = MACHINES.get(int.from_bytes(data[18:20], "little"), "another machine")
    if kind != "aarch64":
        return Finding("librknnrt", "problem", f"{file} is for {kind}, not aarch64", fix)
    version = _version(data)
    if version is None:
        text = f"{file} does not say its version"
        return Finding("librknnrt", "warning", text, f"strings {quoted(file)} | grep 'librknnrt version'")
    if numbers(version) < (1, 6):
        text = f"librknnrt {version} refuses the models of rknn-toolkit2 2 ('Invalid RKNN model version 6')"
        return Finding("librknnrt", "problem", text, fix)
    return Finding("librknnrt", "ok", f"librknnrt {version}" + ("" if file == LIBRARY else f", {file}"))


def _absent(machine: Machine) -> Finding:
    only = f"rknn-toolkit-lite2 looks for {LIBRARY} only" if uses_wheel(machine) else "the linker does not look there"
    for file in (f"{folder}/librknnrt.so" for folder in ELSEWHERE):
        if machine.path(file).exists():
            return Finding(
                "librknnrt", "problem", f"librknnrt.so is {file}, but {only}", f"sudo ln -s {file} {LIBRARY}"
            )
    container = container_of(machine)
    fix = container.mounted(LIBRARY) if container else get_library("2.3.2")
    return Finding("librknnrt", "problem", f"there is no readable {LIBRARY}", fix)


def _looked_for(machine: Machine) -> list[str]:
    """Return where librknnrt used directly is looked for: where the dynamic linker looks, then where the wheel does."""
    try:
        cache = machine.path("/etc/ld.so.cache").read_bytes()
    except OSError:
        cache = b""
    cached = [os.fsdecode(file) for file in re.findall(rb"/[^\0]{1,4000}/librknnrt\.so(?=\0)", cache)]
    folders = [*(folder for folder in machine.library_path if folder), *map(os.path.dirname, cached), LINKED]
    files = [f"{folder}/librknnrt.so" for folder in folders]
    return [*(LIBRARY if _same(machine, file) else file for file in files), LIBRARY]


def _same(machine: Machine, file: str) -> bool:
    """Tell whether it is LIBRARY by another name: /lib is /usr/lib on most systems."""
    try:
        return machine.path(file).samefile(machine.path(LIBRARY))
    except OSError:
        return False


def _read(machine: Machine, file: str) -> bytes | None:
    try:
        return machine.path(file).read_bytes()
    except OSError:
        return None


def _version(data: bytes) -> str | None:
    found = re.search(rb"librknnrt version: ?(\d{1,9}\.\d{1,9}\.\d{1,9})", data)
    return found[1].decode() if found else None
