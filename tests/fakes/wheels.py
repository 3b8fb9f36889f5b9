"""Wheels of stand-ins for the vendor's toolkit and what it asks for, in a folder that pip takes for all of PyPI."""

from __future__ import annotations

import zipfile
from pathlib import Path

from tests.conftest import ROOT

TOOLKIT = {
    f"rknn/{path.name}": path.read_text() for path in sorted((ROOT / "tests/fakes/toolkit/rknn").glob("*.py"))
} | {
    # where names of parameters are read
    "rknn/api/__init__.py": (ROOT / "tests/fakes/toolkit/rknn/api.py").read_text(),
    "rknn/api/rknn.py": (ROOT / "tests/fakes/toolkit/rknn/api.py").read_text(),
}
NEEDS = "Requires-Dist: torch <=2.4.0,>=1.10.1\nRequires-Dist: numpy <=1.26.4\nRequires-Dist: onnx >=1.16.1\n"


def make_wheel(folder: Path, name: str, version: str, files: dict[str, str], needs: str = "") -> None:
    """Write NAME-VERSION-py3-none-any.whl."""
    stem = f"{name.replace('-', '_')}-{version}"
    about = f"{stem}.dist-info"
    with zipfile.ZipFile(folder / f"{stem}-py3-none-any.whl", "w") as wheel:
        for path, text in files.items():
            wheel.writestr(path, text)
        wheel.writestr(f"{about}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}")
        wheel.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{about}/RECORD", "")


def make_index(folder: Path) -> None:
    """Write what an install takes, and newer versions that the toolkit fails with."""
    files = {name: text for name, text in TOOLKIT.items() if name != "rknn/api.py"}
    for version in ("2.3.2", "2.5.0"):
        make_wheel(folder, "rknn-toolkit2", version, files, NEEDS)
    for version in ("2.4.0", "2.9.0"):
        make_wheel(folder, "torch", version, {"torch.py": ""})
    for version in ("1.26.4", "2.3.1"):
        make_wheel(folder, "numpy", version, {"numpy.py": f"__version__ = '{version}'\n"})
    make_wheel(folder, "onnx", "1.18.0", {"onnx.py": "__version__ = '1.18.0'\nmapping = 1\n"})
    make_wheel(folder, "onnx", "1.19.0", {"onnx.py": "__version__ = '1.19.0'\n"})
    make_wheel(folder, "setuptools", "65.5.0", {"pkg_resources.py": ""})
    make_wheel(folder, "setuptools", "84.2.1", {"setuptools.py": ""})
