"""The plug-in's library in processes of their own: with sanitizers, and for aarch64; and where there is no compiler."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import ROOT
from tests.fakes.emulated_board import PYTHON
from tests.plugins.conftest import CROSS, assert_softmax, compiled, extremes, needs_cross, needs_gcc


def assert_answers(command: list[str], folder: Path, **environment: str) -> None:
    """Let another process answer the extreme cases, and look at its answers here."""
    cases = extremes()
    np.savez(folder / "cases.npz", **cases)
    files = [str(folder / name) for name in ("so/librkcst_softmax.so", "so/librknnrt.so", "cases.npz", "answers.npz")]
    environment = {**{name: text for name, text in os.environ.items() if name != "PYTHONPATH"}, **environment}
    done = subprocess.run(
        [*command, str(ROOT / "tests/fakes/plugin.py"), *files],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    with np.load(folder / "answers.npz") as answers:
        assert set(answers) == set(cases)
        for name, x in cases.items():
            assert_softmax(answers[name], x, int(name.rpartition(".")[2]))


@needs_gcc
def test_no_sanitizer_complains(tmp_path: Path) -> None:
    preload = subprocess.run(["gcc", "-print-file-name=libasan.so"], capture_output=True, text=True, check=True).stdout
    if not Path(preload.strip()).is_absolute():
        pytest.skip("this gcc has no AddressSanitizer")
    (tmp_path / "so").mkdir()
    compiled(tmp_path / "so", "gcc", flags="-g -fsanitize=address,undefined -fno-sanitize-recover=all")
    libraries = {"LD_PRELOAD": str(Path(preload.strip()).resolve()), "ASAN_OPTIONS": "detect_leaks=0"}
    assert_answers([sys.executable], tmp_path, **libraries)


@pytest.fixture(scope="module")
def aarch64(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("aarch64")
    (folder / "so").mkdir()
    compiled(folder / "so", CROSS)
    return folder


@needs_cross
def test_the_boards_library_exports_the_entry_point(aarch64: Path) -> None:
    library = aarch64 / "so/librkcst_softmax.so"
    assert int.from_bytes(library.read_bytes()[18:20], "little") == 183, "e_machine is EM_AARCH64"

    def tool(*words: str) -> str:
        command = [CROSS.replace("gcc", words[0]), *words[1:], str(library)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    defined = {line.split()[-1] for line in tool("nm", "-D", "--defined-only").splitlines()}
    assert defined == {"get_rknn_custom_op", "cst_softmax"}
    dynamic = tool("readelf", "-d", "-W")
    for needed in ("librknnrt.so", "libm.so.6", "libc.so.6"):
        assert f"Shared library: [{needed}]" in dynamic
    assert dynamic.count("(NEEDED)") == 3 and "Library soname: [librkcst_softmax.so]" in dynamic


@needs_cross
@pytest.mark.emulator
@pytest.mark.slow
@pytest.mark.skipif(not PYTHON.exists(), reason="no emulated board: sh scripts/board-emulator.sh")
def test_the_boards_library_on_the_emulated_board(aarch64: Path) -> None:
    assert_answers([str(PYTHON)], aarch64)


def test_no_compiler_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    for name in ("sh", "uname", "dirname"):
        (tmp_path / "bin" / name).symlink_to(str(shutil.which(name)))
    script = ["sh", str(ROOT / "scripts/build-plugin.sh"), str(tmp_path / "out")]
    done = subprocess.run(script, env={"PATH": str(tmp_path / "bin")}, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and done.stderr.startswith("error: there is no ") and done.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()
