"""The plug-in in C that a build with a custom op of the user's leaves to be filled in."""

from __future__ import annotations

import ctypes
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import ROOT, needs_toolkit
from tests.fakes.emulated_board import PYTHON
from tests.fakes.plugin import Plugin
from tests.fakes.tiny_onnx import swish_net
from tests.plugins.conftest import CROSS, INVALID, STRICT, needs_cross, needs_gcc
from yolorknn.convert.plugin.write import write_plugins

pytestmark = needs_toolkit
KERNEL = """
    (void)out_attr;
    const float beta = (float)attribute(context, "beta", 1.5);
    for (uint32_t i = 0; i < in_attr[0]->n_elems; i++) out[0][i] = in[0][i] / (1 + expf(-beta * in[0][i]));
    return OK;
}
"""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (folder,) = write_plugins(["cstSwish"], swish_net(tmp_path / "own.onnx", custom=True), tmp_path)
    assert folder == tmp_path / "cst_swish-plugin"
    assert {path.name for path in folder.iterdir()} == {"cst_swish.c", "custom_op.h"}
    return folder / "cst_swish.c"


def compiled(source: Path, compiler: str) -> tuple[Path, Path]:
    """Return the plug-in, made by the very commands that stand in it, and the stand-in for the runtime."""
    text = source.read_text()
    commands = [line.removeprefix(" *     ") for line in text.splitlines() if line.startswith(" *     ")]
    script = (
        "\n".join(["set -e", *commands[:-1]])
        .replace("CC=gcc", f"CC={compiler}")
        .replace("-Wall", "-Wall -Wextra -Werror")
    )
    assert commands[-1].startswith("sudo install") and commands[-1].endswith("/op_plugins/librkcst_swish.so")
    subprocess.run(["sh", "-c", script], cwd=source.parent, check=True)
    runtime = source.parent / "librknnrt.so"
    subprocess.run([compiler, *STRICT, "-o", str(runtime), str(ROOT / "tests/board/custom_op.c")], check=True)
    return source.parent / "librkcst_swish.so", runtime


def filled(source: Path) -> Path:
    """Write the kernel as its owner would."""
    before, rest = source.read_text().split("    (void)context, ")
    source.write_text(before + KERNEL.strip("\n") + rest.partition("\n}\n")[2])
    return source


@needs_gcc
def test_unfilled_it_says_so(source: Path, capfd: pytest.CaptureFixture[str]) -> None:
    plugin = Plugin(*compiled(source, "gcc"))
    assert (plugin.op.version, plugin.op.target, plugin.op.op_type) == (1, 1, b"cstSwish")
    code, result = plugin.compute(np.ones((1, 4, 6, 5), np.float32), None)
    assert code == INVALID and (result == 7).all()
    ctypes.CDLL(None).fflush(None)
    assert capfd.readouterr().err == "cstSwish: its kernel() in cst_swish.c is not written yet\n"


def assert_computes(source: Path, compiler: str, python: str) -> None:
    """In a process of its own, as a librknnrt.so that is loaded already would be taken for the stand-in."""
    x = np.random.default_rng(0).normal(size=(1, 4, 6, 5)).astype(np.float32)
    cases, answers = source.parent / "cases.npz", source.parent / "answers.npz"
    np.savez(cases, **{"x.2": x, "x.-3": x})
    files = [str(path) for path in (*compiled(filled(source), compiler), cases, answers)]
    done = subprocess.run(
        [python, str(ROOT / "tests/fakes/plugin.py"), *files],
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    with np.load(answers) as found:
        for name, beta in (("x.2", 2), ("x.-3", -3)):
            np.testing.assert_allclose(found[name], x / (1 + np.exp(-beta * x.astype(float))), rtol=1e-5, atol=1e-6)


@needs_gcc
def test_filled_it_computes(source: Path) -> None:
    assert ' * Its attributes: attribute(context, "beta", 1.5).\n' in source.read_text()
    assert_computes(source, "gcc", sys.executable)


@needs_gcc
def test_what_it_does_not_take_is_refused(source: Path, capfd: pytest.CaptureFixture[str]) -> None:
    plugin = Plugin(*compiled(filled(source), "gcc"))
    x = np.ones((1, 4, 6, 5), np.float32)
    assert plugin.compute(x, None, counts=(2, 1))[0] == INVALID
    assert plugin.compute(x.astype(np.float16), None)[0] == INVALID
    assert plugin.compute(x, None, spoil=lambda one, _: setattr(one.mem, "virt_addr", None))[0] == INVALID
    assert plugin.compute(x, None, spoil=lambda _, other: setattr(other.attr, "n_elems", 3))[0] == INVALID
    said = capfd.readouterr().err.splitlines()
    assert len(said) == 4 and all(line.startswith("cstSwish: ") for line in said)


def test_what_its_owner_wrote_stays(source: Path) -> None:
    source.write_text("mine")
    assert write_plugins(["cstSwish"], source.parent.parent / "own.onnx", source.parent.parent) == []
    assert source.read_text() == "mine"


@needs_cross
@pytest.mark.emulator
@pytest.mark.slow
@pytest.mark.skipif(not PYTHON.exists(), reason="no emulated board: sh scripts/board-emulator.sh")
def test_on_the_emulated_board(source: Path) -> None:
    assert_computes(source, CROSS, str(PYTHON))
