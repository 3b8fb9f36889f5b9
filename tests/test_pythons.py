"""The base package on every Python from 3.10 on that this machine has: it installs, and its tests pass."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.conftest import ROOT

PYENV = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
NEEDED = ["numpy", "opencv-python-headless", "typer>=0.19", "rich>=13", "pytest>=8", "hypothesis>=6.100"]
TESTS = [
    "tests/runtime/test_rknnrt.py",
    "tests/runtime/test_rknnrt_faults.py",
    "tests/runtime/test_rknnrt_forks.py",
    "tests/runtime/test_recovering.py",
    "tests/runtime/test_recovering_streams.py",
    "tests/tasks",
    "tests/stream",
    "tests/model",
]
BOUND = re.compile(r'^requires-python = ">=3\.10"$', re.MULTILINE)


def pythons() -> list[Path]:
    """Return one of each minor version but that which runs this."""
    found: dict[int, Path] = {}
    for path in sorted(PYENV.glob("3.*/bin/python")):
        minor = int(path.parts[-3].split(".")[1])
        if minor >= 10 and minor != sys.version_info.minor:
            found[minor] = path
    return [found[minor] for minor in sorted(found)]


def test_there_is_no_upper_bound() -> None:
    assert BOUND.search((ROOT / "pyproject.toml").read_text())


def installed_and_tested(python: Path, folder: Path) -> str:
    """Return what the tests printed, in an environment made with this Python."""

    def run(*command: object) -> str:
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "PYTHON"))}
        words = list(map(str, command))
        done = subprocess.run(
            words, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=900
        )
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        return done.stdout

    ours = folder / "venv/bin/python"
    run(python, "-m", "venv", folder / "venv")
    run(ours, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *NEEDED)
    run(ours, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", ROOT)
    assert "yolorknn" in run(folder / "venv/bin/yolorknn", "--help")
    return run(ours, "-m", "pytest", "-q", "-p", "no:cacheprovider", *TESTS)


@pytest.fixture(scope="module")
def side_by_side(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[Path, Future[str]]]:
    """All at once: a third of each is waiting."""
    with ThreadPoolExecutor() as threads:
        yield {
            python: threads.submit(installed_and_tested, python, tmp_path_factory.mktemp("base"))
            for python in pythons()
        }


@pytest.mark.slow
@pytest.mark.parametrize("python", pythons(), ids=lambda path: path.parts[-3])
def test_the_base_package(python: Path, side_by_side: dict[Path, Future[str]]) -> None:
    printed = side_by_side[python].result()
    assert " passed" in printed and " failed" not in printed
