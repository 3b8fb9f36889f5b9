"""The wheel that a board installs: this very package, with what the board needs."""

from __future__ import annotations

import base64
import hashlib
import importlib.metadata
import shutil
import subprocess
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import yolorknn
from yolorknn.deploy.probe import Board
from yolorknn.deploy.supply import Supply
from yolorknn.deploy.wheels import board_requirements, board_wheel, wheel_version

_NO_PART = {"__pycache__", ".mypy_cache", ".ruff_cache"}
"""What tools leave in a folder."""


def test_the_wheel_is_this_package(tmp_path: Path) -> None:
    wheel = board_wheel(tmp_path, python=(3, 11))
    assert list(tmp_path.iterdir()) == [wheel]
    (about,) = importlib.metadata.distributions(path=[str(wheel)])
    assert about.version == wheel_version(wheel) and about.version.startswith(f"{yolorknn.__version__}+")
    required = {requirement.partition(">")[0] for requirement in about.requires or []}
    assert required == {"numpy", "opencv-python-headless", "typer", "rich", "rknn-toolkit-lite2"}
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if not name.endswith("RECORD")]
        (record,) = set(archive.namelist()) - set(names)
        lines = archive.read(record).decode().splitlines()
        assert [line.partition(",")[0] for line in lines] == [*names, record]
        for name, line in zip(names, lines, strict=False):
            data = archive.read(name)
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")
            assert line == f"{name},sha256={digest},{len(data)}"
    package = Path(yolorknn.__file__).parent
    files = [path for path in package.rglob("*") if path.is_file() and not _NO_PART & set(path.parts)]
    ours = {str(path.relative_to(package.parent)) for path in files}
    assert ours == {name for name in names if name.startswith("yolorknn/")}
    code = "import yolorknn; print(yolorknn.__file__)"
    done = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": str(wheel)}, cwd=tmp_path, capture_output=True, check=True
    )
    assert str(wheel) in done.stdout.decode()
    assert board_wheel(tmp_path, python=(3, 11)) == wheel, "the same content has the same version"


def test_another_content_has_another_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = tmp_path / "yolorknn"
    shutil.copytree(Path(yolorknn.__file__).parent, copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr("yolorknn.deploy.wheels.PACKAGE", copy)
    one = board_wheel(tmp_path, python=(3, 11))
    with (copy / "errors.py").open("a") as file:
        file.write("# another\n")
    assert wheel_version(board_wheel(tmp_path, python=(3, 11))) != wheel_version(one)


def test_requirements_lose_their_markers() -> None:
    declared = [
        "numpy>=1.23",
        "opencv-python>=4.8",
        'rknn-toolkit-lite2>=2.3.2; (platform_machine == "aarch64" and python_version < "3.13") and extra == "board"',
        "torch; extra == 'pc'",
        "opencv-python-headless; extra == 'board'",
    ]
    needed = ["numpy>=1.23", "opencv-python-headless>=4.8", "rknn-toolkit-lite2>=2.3.2", "opencv-python-headless"]
    assert board_requirements(declared, python=(3, 12)) == needed
    assert board_requirements(declared, python=(3, 13)) == [needed[0], needed[1], needed[3]]


def test_boards_that_are_alike_share_what_is_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    fetched = []

    def fetch(wheel: Path, folder: Path, *, python: tuple[int, int], glibc: int) -> list[Path]:
        fetched.append((wheel.name, folder.name, python, glibc))
        return [wheel]

    monkeypatch.setattr("yolorknn.deploy.supply.fetch", fetch)
    kinds = [((3, 11), 36), ((3, 10), 35), ((3, 11), 36), ((3, 11), 31)]
    boards = [Board("python3", python, glibc, "/", "user", root=False, groups=()) for python, glibc in kinds]
    with Supply(offline=True) as supply, ThreadPoolExecutor(4) as threads:
        made = list(threads.map(supply.wheels, boards))
        assert made[0] == made[2] and all(path.is_file() for (path,) in made)
        assert sorted(call[2:] for call in fetched) == sorted(set(kinds))
        assert len({call[1] for call in fetched}) == 3, "a folder for each"
    assert not made[0][0].exists()
    with Supply() as supply:
        assert supply.wheels(boards[0]) == [supply.wheel(boards[0])] and len(fetched) == 3
