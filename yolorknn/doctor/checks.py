"""The doctor's checks that a board and a PC share."""

from __future__ import annotations

import re
from collections.abc import Iterator

from yolorknn.doctor.machine import Finding, Machine


def check_python(machine: Machine) -> Finding:
    """Look at the Python that runs this: the vendor's wheels end at 3.12."""
    name = ".".join(map(str, machine.python))
    if (3, 10) <= machine.python <= (3, 12):
        return Finding("Python", "ok", f"Python {name}")
    return Finding(
        "Python",
        "problem",
        f"Python {name}: yolorknn needs 3.10 to 3.12, and the vendor has no wheel for newer ones",
        "uv venv --python 3.12 .venv  # or: python3.12 -m venv .venv",
    )


def check_memory(machine: Machine, *, least: int, why: str) -> Iterator[Finding]:
    """Look at the memory that is free, in MB."""
    found = re.search(r"MemAvailable:\s+(\d+) kB", machine.read("/proc/meminfo") or "")
    if found is None:
        return
    free = int(found[1]) // 1024
    if free < least:
        yield Finding("memory", "warning", f"{free} MB of memory are free; {why}", "ps aux --sort=-rss | head")
    else:
        yield Finding("memory", "ok", f"{free} MB of memory are free")
