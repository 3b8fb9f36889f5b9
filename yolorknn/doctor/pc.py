"""The doctor's checks of a PC: the packages that export and build need beside each other."""

from __future__ import annotations

from collections.abc import Iterator

from yolorknn.doctor.checks import check_memory, check_python
from yolorknn.doctor.machine import Finding, Machine, Status, numbers

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
_CONVERTING = ("rknn-toolkit2", "ultralytics", "torch")
"""With none of them this PC is not meant to export and build."""
_TOO_OLD = {"rknn-toolkit2": "2.3.2", "ultralytics": "8.4", "onnx": "1.16.1"}


def check_pc(machine: Machine) -> Iterator[Finding]:
    """Look at a PC; see doctor.examine."""
    converting = any(machine.version(package) for package in _CONVERTING)
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
    yield check_python(machine, wheels=converting)
    if converting:
        for row in _TOO_NEW:
            yield _package(machine, row)
    else:
        text = "rknn-toolkit2 and ultralytics are not installed, with which models are exported and built"
        yield Finding(
            "conversion", "ok", text, "pip install '.[export]'  # in a checkout of yolorknn, where that is wanted"
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


def _package(machine: Machine, row: tuple[str, str, Status, str, str]) -> Finding:
    package, bad, status, happens, fix = row
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
