"""The doctor's checks that a board and a PC share."""

from __future__ import annotations

import re
from collections.abc import Iterator

from yolorknn.doctor.machine import Finding, Machine
from yolorknn.runtime.wheel import NEWEST_WHEEL


def check_python(machine: Machine, *, wheels: bool) -> Finding:
    """Look at the Python that runs this; `wheels`: whether it must be one for which the vendor has some."""
    name = ".".join(map(str, machine.python))
    if machine.python >= (3, 10) and (machine.python <= NEWEST_WHEEL or not wheels):
        return Finding("Python", "ok", f"Python {name}")
    needed = (
        "3.10 to 3.12 to export and build, as the vendor has no wheel for newer ones" if wheels else "3.10 or later"
    )
    return Finding(
        "Python",
        "problem",
        f"Python {name}: yolorknn needs {needed}",
        "uv venv --python 3.12 .venv  # or: python3.12 -m venv .venv",
    )


def check_memory(machine: Machine, *, least: int, why: str) -> Iterator[Finding]:
    """Look at the memory that is free, in MB."""
    found = re.search(r"MemAvailable:\s+(\d{1,18}) kB", machine.read("/proc/meminfo") or "")
    if found is None:
        return
    free = int(found[1]) // 1024
    if free < least:
        yield Finding("memory", "warning", f"{free} MB of memory are free; {why}", "ps aux --sort=-rss | head")
    else:
        yield Finding("memory", "ok", f"{free} MB of memory are free")
