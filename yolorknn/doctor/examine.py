"""The doctor: what on this machine keeps yolorknn from working, and the command that mends it."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from yolorknn.errors import BackendError, ModelError, YolorknnError

Status = Literal["ok", "warning", "problem"]


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    check: str
    """What was looked at, in two or three words; the same on every machine."""
    status: Status
    text: str
    fix: str = ""
    """The command that mends it, as it is to be typed; empty where nothing is wrong."""


def installed(package: str) -> str | None:
    """Return the version of an installed package, None without it; nothing is imported."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


@dataclass(frozen=True)
class Machine:
    """What the checks look at: by default, this machine."""

    root: Path = Path("/")
    """Where its file tree begins; only files below it are read."""
    architecture: str = field(default_factory=platform.machine)
    python: tuple[int, int] = sys.version_info[:2]
    user: int = field(default_factory=os.getuid)
    groups: tuple[int, ...] = field(default_factory=lambda: tuple(os.getgroups()))
    version: Callable[[str], str | None] = installed
    """Tells a package's version."""

    def path(self, name: str) -> Path:
        """Return the place of an absolute path in the tree."""
        return self.root / name.lstrip("/")

    def read(self, name: str) -> str | None:
        """Return a file's text without the ends' blanks and NULs; None where it is absent or not ours to read."""
        try:
            return self.path(name).read_bytes().decode("utf-8", "replace").strip(" \t\r\n\0")
        except OSError:
            return None

    def number(self, name: str) -> int | None:
        """Return the number in a file."""
        text = self.read(name)
        return int(text) if text is not None and re.fullmatch(r"-?\d+", text) else None

    def glob(self, pattern: str) -> list[str]:
        """Return the absolute paths that match, in order."""
        return [f"/{path.relative_to(self.root)}" for path in sorted(self.root.glob(pattern.lstrip("/")))]

    def may_use(self, name: str) -> bool:
        """Tell whether the user may read and write a device, by its owner and mode."""
        try:
            facts = self.path(name).stat()
        except OSError:
            return False
        if self.user == 0:
            return True
        shift = 6 if facts.st_uid == self.user else 3 if facts.st_gid in self.groups else 0
        return facts.st_mode >> shift & 0o6 == 0o6

    @property
    def in_container(self) -> bool:
        """Whether Docker or Podman runs this."""
        return self.path("/.dockerenv").exists() or self.path("/run/.containerenv").exists()


def examine(machine: Machine | None = None, *, model: Path | None = None) -> list[Finding]:
    """Look at the machine, a board or a PC.

    Args:
        machine: by default, this one.
        model: a .rknn that is to run here; its platform and toolkit are compared with the board's.

    Returns:
        The findings, in the order in which they matter.

    Raises:
        ModelError: the model is absent or broken.
    """
    from yolorknn.doctor import board as doctor_board  # noqa: PLC0415

    machine = machine or Machine()
    if doctor_board.is_board(machine):
        return list(doctor_board.checks(machine, model))
    if model is not None:
        from yolorknn.model.read import read_metadata  # noqa: PLC0415

        read_metadata(model)
    return list(_pc(machine))


def explain(model: Path, machine: Machine | None = None) -> Finding | None:
    """Return the first problem that a board has with a model, for an error message; None on a PC."""
    from yolorknn.doctor import board as doctor_board  # noqa: PLC0415

    machine = machine or Machine()
    if not doctor_board.is_board(machine):
        return None
    try:
        findings = examine(machine, model=model)
    except YolorknnError:  # the model itself, of which the caller's error tells
        findings = examine(machine)
    return next((finding for finding in findings if finding.status == "problem"), None)


@contextmanager
def diagnosed(model: Path) -> Iterator[None]:
    """Add to an error of a model on a board the doctor's finding that explains it."""
    try:
        yield
    except (ModelError, BackendError) as exc:
        if model.suffix.lower() == ".rknn" and (finding := explain(model)):
            exc.args = (f"{exc}; yolorknn doctor finds: {finding.text}: {finding.fix}",)
        raise


def numbers(version: str) -> tuple[int, ...]:
    """Return the first three numbers of a version, for comparing."""
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])


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


# (package, first bad version, status, what happens, command); sources: the vendor's own Requires-Dist, and runs of
# rknn-toolkit2 2.3.2 and 2.5.0 beside these packages.
_TOO_NEW: tuple[tuple[str, str, Status, str, str], ...] = (
    (
        "rknn-toolkit2",
        "2.5",
        "warning",
        "boards with an older librknnrt refuse its models",
        "pip install 'rknn-toolkit2>=2.3.2,<2.5'",
    ),
    (
        "onnx",
        "1.19",
        "problem",
        "rknn-toolkit2 fails with \"no attribute 'mapping'\"",
        "pip install 'onnx>=1.16.1,<1.19'",
    ),
    ("numpy", "2", "problem", "rknn-toolkit2 is built for numpy 1", "pip install 'numpy<2'"),
    (
        "setuptools",
        "82",
        "problem",
        "rknn-toolkit2 imports pkg_resources, which is gone",
        "pip install 'setuptools<82'",
    ),
    ("torch", "2.4.1", "warning", "rknn-toolkit2 asks for at most 2.4.0", "pip install 'torch==2.4.0'"),
    ("protobuf", "4.25.5", "warning", "rknn-toolkit2 asks for at most 4.25.4", "pip install 'protobuf<=4.25.4'"),
    ("ultralytics", "9", "problem", "yolorknn exports with ultralytics 8", "pip install 'ultralytics>=8.4,<9'"),
)
_TOO_OLD = {"rknn-toolkit2": "2.3.2", "ultralytics": "8.4", "onnx": "1.16.1"}


def _pc(machine: Machine) -> Iterator[Finding]:
    if machine.architecture in ("x86_64", "aarch64"):
        yield Finding(
            "machine", "ok", f"{machine.architecture} without a Rockchip NPU: models are exported and built here"
        )
    else:
        yield Finding(
            "machine",
            "problem",
            f"rknn-toolkit2 has no wheel for {machine.architecture}",
            'docker run --platform linux/amd64 -it -v "$PWD":/work -w /work python:3.11 bash',
        )
    yield check_python(machine)
    for row in _TOO_NEW:
        yield _package(machine, row)
    if machine.version("onnxruntime") is None:
        yield Finding(
            "onnxruntime",
            "warning",
            "onnxruntime is not installed: an .onnx cannot be run",
            "pip install 'yolorknn[onnx]'",
        )
    else:
        yield Finding("onnxruntime", "ok", f"onnxruntime {machine.version('onnxruntime')}")
    yield from check_memory(machine, least=2000, why="a build with 100 calibration images takes 1.5 GB")


def _package(machine: Machine, row: tuple[str, str, Status, str, str]) -> Finding:
    package, bad, status, happens, fix = row
    version = machine.version(package)
    if version is None:
        # setuptools is needed by rknn-toolkit2, which does not declare it
        what = "rknn-toolkit2 needs it" if package == "setuptools" else "models cannot be exported or built"
        command = fix if package == "setuptools" else "pip install 'yolorknn[export]'"
        return Finding(package, "problem", f"{package} is not installed: {what}", command)
    if numbers(version) >= numbers(bad):
        return Finding(package, status, f"{package} {version}: {happens}", fix)
    if package in _TOO_OLD and numbers(version) < numbers(_TOO_OLD[package]):
        return Finding(package, "problem", f"{package} {version} is older than {_TOO_OLD[package]}", fix)
    return Finding(package, "ok", f"{package} {version}")
