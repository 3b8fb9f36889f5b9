"""Pythons of the user's that have a stand-in for rknn-toolkit 1.x."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from tests.conftest import DATASET, ROOT
from tests.convert.toolkit.conftest import base

Interpreter = Callable[..., Path]
IMAGES = tuple(sorted((DATASET / "images").glob("*.jpg"))[:3])
NUMPY = {"3.6": ("numpy==1.19.5", "cp36m"), "3.8": ("numpy==1.24.4", "cp38")}
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "yolorknn-tests"


@cache
def numpy_for(version: str) -> Path | None:
    """Return a folder with a numpy for an old Python, fetched from PyPI once; None where that cannot be."""
    what, abi = NUMPY[version]
    folder = CACHE / f"{what}-{abi}"
    if not (folder / "numpy").is_dir():
        command = [
            sys.executable,
            "-m",
            "pip",
            "install",
            "-q",
            "--no-deps",
            "--only-binary=:all:",
            "--target",
            str(folder),
        ]
        command += ["--python-version", version, "--implementation", "cp", "--abi", abi]
        command += ["--platform", "manylinux2010_x86_64", "--platform", "manylinux2014_x86_64", what]
        if subprocess.run(command, capture_output=True, check=False, timeout=300).returncode != 0:
            return None
    return folder


@pytest.fixture(autouse=True)
def no_named_toolkit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("YOLORKNN_TOOLKIT1", raising=False)
    monkeypatch.delenv("FAKE_BOARD", raising=False)


@pytest.fixture(scope="session")
def toolkit1(tmp_path_factory: pytest.TempPathFactory) -> Interpreter:
    """Return a function: a Python's version, a toolkit's, and whether numpy is there, to an interpreter of these."""

    @cache
    def make(version: str, toolkit: str = "1.7.3", *, numpy: bool = False) -> Path:
        interpreter = base(version)
        if interpreter is None:
            pytest.skip(f"this machine has no Python {version}")
        folder = tmp_path_factory.mktemp("theirs") / version
        subprocess.run([interpreter, "-m", "venv", "--without-pip", folder], check=True)
        (packages,) = folder.glob("lib/python*/site-packages")
        shutil.copytree(ROOT / "tests/fakes/toolkit1/rknn", packages / "rknn")
        (packages / f"rknn_toolkit-{toolkit}.dist-info").mkdir()
        if numpy:
            found = numpy_for(version)
            if found is None:
                pytest.skip(f"no numpy for Python {version} can be fetched")
            (packages / "numpy.pth").write_text(f"{found}\n")
        return folder / "bin/python"

    return make
