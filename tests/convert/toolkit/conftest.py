"""Pythons that have a fake of the vendor's toolkit, and perhaps nothing else."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import ROOT

OURS = "ours"
Pythons = Callable[[str], Path]


def base(version: str) -> Path | None:
    """Return an interpreter of a version, as 3.6, that this machine has; of ours, the one we run in."""
    if version == OURS:
        return Path(sys.executable)
    of_pyenv = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))
    found = of_pyenv[0] if of_pyenv else shutil.which(f"python{version}")
    return Path(found) if found else None


@pytest.fixture(scope="session")
def python_with_fake(tmp_path_factory: pytest.TempPathFactory) -> Pythons:
    """Return a function: a version to an environment of it that has the fake toolkit, and numpy if it is ours."""

    @cache
    def make(version: str) -> Path:
        interpreter = base(version)
        if interpreter is None:
            pytest.skip(f"this machine has no Python {version}")
        folder = tmp_path_factory.mktemp("an environment") / version
        subprocess.run([interpreter, "-m", "venv", "--without-pip", folder], check=True)
        (packages,) = folder.glob("lib/python*/site-packages")
        paths = [ROOT / "tests/fakes/toolkit"]
        if version == OURS:
            paths.append(Path(np.__file__).parent.parent)
        (packages / "fake.pth").write_text("".join(f"{path}\n" for path in paths))
        return folder / "bin/python"

    return make


@pytest.fixture
def fake(python_with_fake: Pythons) -> Path:
    """Return a Python like ours whose toolkit is the fake one."""
    return python_with_fake(OURS)
