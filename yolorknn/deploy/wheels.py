"""What the board's pip installs: this very package as a wheel, and for a board without internet all that it needs."""

from __future__ import annotations

import base64
import hashlib
import importlib.metadata
import re
import shutil
import subprocess
import sys
import zipfile
from email.parser import HeaderParser
from pathlib import Path

from yolorknn.errors import DeployError
from yolorknn.files import atomic

PACKAGE = Path(__file__).parents[1]
"""The package that runs here."""
OLDEST_GLIBC = 17
"""glibc 2.17, of manylinux2014: the oldest that wheels for aarch64 are made for."""


def board_wheel(folder: Path, *, python: tuple[int, int]) -> Path:
    """Pack the package that runs here as a wheel, with what the board needs as its only requirements.

    OpenCV is asked for without its windows, which need libGL, and which yolorknn does not open. The version carries a
    digest of the content, so that a board tells by it whether it has this one.

    Args:
        folder: where to put it.
        python: the board's Python.

    Returns:
        folder/yolorknn-VERSION+DIGEST-py3-none-any.whl.

    Raises:
        DeployError: the package is not installed, so that its requirements are not known.
        OutputError: the folder cannot be written.
    """
    try:
        installed = importlib.metadata.distribution("yolorknn")
    except importlib.metadata.PackageNotFoundError:
        raise DeployError("yolorknn is not installed on this PC: in its checkout run pip install -e '.[pc]'") from None
    metadata = HeaderParser().parsestr(installed.read_text("METADATA") or "")
    files = {
        f"yolorknn/{path.relative_to(PACKAGE).as_posix()}": path.read_bytes()
        for path in sorted(PACKAGE.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }
    requirements = board_requirements(metadata.get_all("Requires-Dist", []), python=python)
    digest = hashlib.sha256(repr((files, requirements)).encode()).hexdigest()[:12]
    version = f"{_version()}+{digest}"
    lines = ["Metadata-Version: 2.1", "Name: yolorknn", f"Version: {version}", "License: Apache-2.0"]
    lines += [f"Requires-Python: {metadata['Requires-Python']}"]
    lines += [f"Requires-Dist: {requirement}" for requirement in requirements]
    about = f"yolorknn-{version}.dist-info"
    files[f"{about}/METADATA"] = ("\n".join(lines) + "\n").encode()
    files[f"{about}/WHEEL"] = b"Wheel-Version: 1.0\nGenerator: yolorknn\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    files[f"{about}/entry_points.txt"] = b"[console_scripts]\nyolorknn = yolorknn.__main__:main\n"
    record = "".join(f"{name},sha256={_digest(data)},{len(data)}\n" for name, data in files.items())
    files[f"{about}/RECORD"] = f"{record}{about}/RECORD,,\n".encode()
    wheel = folder / f"yolorknn-{version}-py3-none-any.whl"
    with atomic(wheel) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return wheel


def _version() -> str:
    """Return the package's version as it is written in it; an editable installation may be of an earlier one."""
    text = (PACKAGE / "__init__.py").read_text(encoding="utf-8")
    found = re.search(r'^__version__ = "(.+)"$', text, re.MULTILINE)
    assert found is not None
    return found[1]


def board_requirements(declared: list[str], *, python: tuple[int, int]) -> list[str]:
    """Return the package's own requirements and those of its extra `board` for a Python, without markers.

    pip judges markers by the machine it runs on, which for a board without internet is the PC.
    """
    needed = []
    for line in declared:
        requirement, _, marker = line.partition(";")
        before = re.search(r"""python_version\s*<\s*['"](\d+)\.(\d+)['"]""", marker)
        if before and python >= (int(before[1]), int(before[2])):
            continue
        if not marker or re.search(r"""extra\s*==\s*['"]board['"]""", marker):
            needed.append(re.sub(r"^opencv-python\b(?!-)", "opencv-python-headless", requirement.strip()))
    return needed


def wheel_version(wheel: Path) -> str:
    """Return the version in a wheel's name."""
    return wheel.name.split("-")[1]


def fetch(wheel: Path, folder: Path, *, python: tuple[int, int], glibc: int) -> list[Path]:
    """Fetch, on this PC, the wheels that `wheel` needs on an aarch64 board.

    Args:
        wheel: of board_wheel.
        folder: where to put them.
        python: the board's Python.
        glibc: the minor version of the board's glibc: 36 for 2.36.

    Returns:
        All wheels to install, `wheel` among them.

    Raises:
        DeployError: there is no pip here, or it did not find them.
    """
    command = [*_pip(), "download", "--quiet", "--disable-pip-version-check", "--dest", str(folder), str(wheel)]
    command += ["--only-binary=:all:", "--implementation", "cp", "--python-version", ".".join(map(str, python))]
    for minor in range(glibc, OLDEST_GLIBC - 1, -1):
        command += ["--platform", f"manylinux_2_{minor}_aarch64"]
    command += ["--platform", "manylinux2014_aarch64"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        lines = [line for line in done.stderr.splitlines() if line.strip()] or ["pip gave no reason"]
        raise DeployError(f"fetching the board's wheels failed on this PC: {lines[-1].removeprefix('ERROR: ')}")
    return sorted(folder.glob("*.whl"))


def _pip() -> list[str]:
    """Return a command that is pip: any Python's will do, as nothing is installed here."""
    for python in (sys.executable, shutil.which("python3")):
        if (
            python
            and subprocess.run([python, "-I", "-m", "pip", "--version"], capture_output=True, check=False).returncode
            == 0
        ):
            return [python, "-I", "-m", "pip"]  # -I: nothing is imported from the current folder
    if uv := shutil.which("uv"):
        return [uv, "tool", "run", "pip"]
    raise DeployError(f"--offline needs pip on this PC: {sys.executable} -m ensurepip")


def _digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
