"""The doctor's checks of a PC: the packages that export and build need beside each other."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from yolorknn.doctor.checks import check_memory, check_python
from yolorknn.doctor.machine import Finding, Machine, Status, numbers
from yolorknn.errors import MissingDependencyError
from yolorknn.text import quoted
from yolorknn.toolkits.first import NAMED, WHERE, choose_first
from yolorknn.toolkits.installed import data_folder, environments

# (package, first bad version, status, what happens, command); sources: the vendor's own Requires-Dist, and runs of
# rknn-toolkit2 2.3.2 and 2.5.0 beside these packages.
_TOO_NEW: tuple[tuple[str, str, Status, str, str], ...] = (
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
_OURS = ("onnx", "ultralytics")
"""What yolorknn itself needs of these; the others matter where rknn-toolkit2 is beside them."""
_CONVERTING = ("rknn-toolkit2", "ultralytics", "torch")
"""With none of them this PC is not meant to export and build."""
_OLDEST_TOOLKIT = "2.3.2"
_TOO_OLD = {"ultralytics": "8.4", "onnx": "1.16.1"}


def check_pc(machine: Machine) -> Iterator[Finding]:
    """Look at a PC; see doctor.examine."""
    toolkit = _toolkit(machine)
    converting = toolkit.status != "problem" or any(machine.version(package) for package in _CONVERTING)
    beside = machine.version("rknn-toolkit2") is not None
    if machine.architecture in ("x86_64", "aarch64"):
        what = "models are exported and built here" if converting else "an .onnx is run here"
        yield Finding("machine", "ok", f"{machine.architecture} without a Rockchip NPU: {what}")
    elif converting:
        yield Finding(
            "machine",
            "problem",
            f"rknn-toolkit2 has no wheel for {machine.architecture}",
            'docker run --platform linux/amd64 -it -v "$PWD":/work -w /work python:3.11 bash',
        )
    yield check_python(machine, wheels=beside)
    if converting:
        yield toolkit
        if machine.root == Path("/"):  # another tree's Pythons are not run
            yield _first_toolkit()
        for row in _TOO_NEW:
            if beside or row[0] in _OURS:
                yield _package(machine, row, beside=beside)
    else:
        text = "rknn-toolkit2 and ultralytics are not installed, with which models are exported and built"
        yield Finding(
            "conversion", "ok", text, "pip install '.[pc]'  # in a checkout of yolorknn, where that is wanted"
        )
    if machine.version("onnxruntime") is None:
        yield Finding(
            "onnxruntime",
            "warning",
            "onnxruntime is not installed: an .onnx cannot be run",
            "pip install '.[onnx]'  # in a checkout of yolorknn",
        )
    else:
        yield Finding("onnxruntime", "ok", f"onnxruntime {machine.version('onnxruntime')}")
    least, why = (
        (2000, "a build with 100 calibration images takes 1.5 GB") if converting else (300, "a model takes 200")
    )
    yield from check_memory(machine, least=least, why=why)


def _first_toolkit() -> Finding:
    """Look for the toolkit of the first generation of NPUs, which not many need."""
    chips = "RV1109, RV1126, RK1808, RK1806 and RK3399Pro"
    try:
        found = choose_first()
    except MissingDependencyError as exc:
        if os.environ.get(NAMED):
            return Finding("rknn-toolkit 1.7", "problem", str(exc), f"export {NAMED}=PYTHON  # the one that has it")
        text = f"rknn-toolkit 1.7, for {chips} only, is not found"
        return Finding("rknn-toolkit 1.7", "ok", text, f"git clone {WHERE}  # where that is wanted: its packages")
    text = f"rknn-toolkit {found.version}, for {chips}, in {found.python} (Python {found.python_version})"
    lacking = [] if found.works_on_pc else ["no simulator and no --pre-compile, which 1.7.3 has"]
    lacking += [] if found.has_numpy else ["no numpy, which the simulator needs"]
    if lacking:
        text += ": " + "; ".join(lacking)
    fix = "" if found.has_numpy else quoted(str(found.python), "-m", "pip", "install", "numpy")
    return Finding("rknn-toolkit 1.7", "ok", text, fix)


def _toolkit(machine: Machine) -> Finding:
    """Look at the toolkit that is used where none is named, and name the others."""
    made = environments(machine.path(str(data_folder())))
    ours, others = machine.version("rknn-toolkit2"), [one for one in made if not one.broken]
    if ours is None and not others:
        broken = "".join(f"; {one.where} is broken: {one.broken}" for one in made)
        text = f"rknn-toolkit2 is not installed: models cannot be built{broken}"
        return Finding("rknn-toolkit2", "problem", text, "yolorknn toolkit install")
    version = ours or others[0].version
    text = f"rknn-toolkit2 {version}" + ("" if ours else f" in {others[0].where}")
    if also := others if ours else others[1:]:
        text += "; also " + ", ".join(f"{one.version} in {one.where}" for one in also)
    fix = "pip install 'rknn-toolkit2>=2.3.2,<2.5'" if ours else "yolorknn toolkit install 2.3.2"
    if numbers(version) < numbers(_OLDEST_TOOLKIT):
        return Finding("rknn-toolkit2", "problem", f"{text}: it is older than {_OLDEST_TOOLKIT}", fix)
    if numbers(version) >= (2, 5):
        return Finding("rknn-toolkit2", "warning", f"{text}: boards with an older librknnrt refuse its models", fix)
    return Finding("rknn-toolkit2", "ok", text)


def _package(machine: Machine, row: tuple[str, str, Status, str, str], *, beside: bool) -> Finding:
    package, bad, status, happens, fix = row
    if not beside and package == "onnx":
        bad, fix = "2", "pip install 'onnx>=1.16.1'"
    version = machine.version(package)
    if version is None:
        # setuptools is needed by rknn-toolkit2, which does not declare it
        what = "rknn-toolkit2 needs it" if package == "setuptools" else "models cannot be exported or built"
        command = fix if package == "setuptools" else "pip install '.[export]'  # in a checkout of yolorknn"
        return Finding(package, "problem", f"{package} is not installed: {what}", command)
    if numbers(version) >= numbers(bad):
        return Finding(package, status, f"{package} {version}: {happens}", fix)
    if package in _TOO_OLD and numbers(version) < numbers(_TOO_OLD[package]):
        return Finding(package, "problem", f"{package} {version} is older than {_TOO_OLD[package]}", fix)
    return Finding(package, "ok", f"{package} {version}")
