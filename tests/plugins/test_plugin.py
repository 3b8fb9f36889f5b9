"""The board's half of cstSoftmax, compiled for this machine and for aarch64, against numpy."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from tests.conftest import ROOT
from tests.fakes.emulated_board import PYTHON
from tests.fakes.plugin import NC1HWC2, NHWC, Attr, Context, CustomOp, Memory, OpAttr, Plugin, Tensor
from yolorknn.convert.export.custom_op import OP_TYPE

CROSS = "aarch64-linux-gnu-gcc"
STRICT = ("-std=gnu11", "-Wall", "-Wextra", "-Werror", "-fPIC", "-shared", "-Wl,-soname,librknnrt.so")
INVALID = -5
"""RKNN_ERR_PARAM_INVALID."""

needs_gcc = pytest.mark.skipif(shutil.which("gcc") is None, reason="no gcc")
needs_cross = pytest.mark.skipif(shutil.which(CROSS) is None, reason=f"no {CROSS}: apt install gcc-aarch64-linux-gnu")


def compiled(folder: Path, compiler: str, *, flags: str = "") -> tuple[Path, Path]:
    """Return the plug-in, made by the script, and the stand-in for the runtime."""
    environment = {**os.environ, "CC": compiler, "CFLAGS": flags}
    script = [str(ROOT / "scripts/build-plugin.sh"), str(folder)]
    subprocess.run(["sh", *script], env=environment, check=True, capture_output=True)
    runtime = folder / "librknnrt.so"
    subprocess.run([compiler, *STRICT, "-o", str(runtime), str(ROOT / "tests/board/custom_op.c")], check=True)
    assert {path.name for path in folder.iterdir()} == {"librkcst_softmax.so", "librknnrt.so"}
    return folder / "librkcst_softmax.so", runtime


@pytest.fixture(scope="module")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Plugin:
    if shutil.which("gcc") is None:
        pytest.skip("no gcc")
    return Plugin(*compiled(tmp_path_factory.mktemp("plugin"), "gcc"))


def softmax(x: NDArray[Any], axis: int) -> NDArray[Any]:
    """exp(x - max) / sum: the difference in float32, the rest in float64."""
    if x.size == 0:
        return x
    with np.errstate(all="ignore"):
        wide = x.astype(np.float32)
        weights = np.exp((wide - wide.max(axis=axis, keepdims=True)).astype(float))
        result: NDArray[Any] = weights / weights.sum(axis=axis, keepdims=True)
        return result


def assert_softmax(ours: NDArray[Any], x: NDArray[Any], axis: int) -> None:
    """To the last digits of the type; the absolute part is two of its smallest numbers."""
    relative = {"float32": 1e-6, "float16": 2e-3}[x.dtype.name]
    smallest = 2 * float(np.finfo(x.dtype).smallest_subnormal)
    assert ours.dtype == x.dtype
    np.testing.assert_allclose(ours.astype(float), softmax(x, axis), rtol=relative, atol=smallest)


SIDES = st.sampled_from([0, 1, 1, 2, 3, 5, 16, 63, 64, 65, 130])
"""Around the 64 columns that the kernel takes at a time."""
SHAPES = st.lists(SIDES, min_size=1, max_size=6).filter(lambda shape: np.prod(shape) <= 20000)


@st.composite
def tensors(draw: st.DrawFn) -> tuple[NDArray[Any], int]:
    shape = tuple(draw(SHAPES))
    half = draw(st.booleans())
    anything = st.floats(width=16) if half else st.floats(width=32)
    usual = st.floats(-16, 16, width=16)
    dtype = np.float16 if half else np.float32
    x = draw(arrays(dtype, shape, elements=draw(st.sampled_from([anything, usual])), fill=usual))
    return x, draw(st.integers(-len(shape), len(shape) - 1))


@given(tensors())
@settings(max_examples=300, deadline=None)
def test_any_tensor_along_any_axis(plugin: Plugin, case: tuple[NDArray[Any], int]) -> None:
    x, axis = case
    code, result = plugin.kernel(x, axis)
    assert code == 0
    assert_softmax(result, x, axis)
    for in_place in (False, True):
        code, through = plugin.compute(x, axis, in_place=in_place)
        assert code == 0 and np.array_equal(through, result, equal_nan=True)


def extremes() -> dict[str, NDArray[Any]]:
    """Tensors `NAME.AXIS`: what a network gives when it goes wrong, and what YOLO's heads give when it does not."""
    inf, nan, big, tiny = np.inf, np.nan, np.finfo(np.float32).max, np.finfo(np.float32).smallest_subnormal
    generator = np.random.default_rng(0)
    rows = np.array(
        [[1, nan, 2], [inf, 0, 1], [inf, inf, 0], [-inf, -inf, -inf], [-inf, 0, -inf], [nan, nan, nan],
         [big, -big, 0], [-big, -big, -big], [big, big, big], [tiny, -tiny, 0], [88.8, -88.8, 0], [0, -103.9, -95]],
        np.float32,
    )  # fmt: skip
    return {
        "rows.1": rows,
        "columns.0": np.ascontiguousarray(rows.T),
        "half.-1": np.nan_to_num(rows, posinf=inf, neginf=-inf, nan=nan).clip(-65504, 65504).astype(np.float16),
        "one.0": rows[:1],
        "size 1.1": rows.reshape(3, 1, 12),
        "scalar row.0": np.array([nan], np.float32),
        "empty.1": np.zeros((3, 0, 2), np.float32),
        "dfl.1": generator.normal(0, 8, (1, 16, 4, 525)).astype(np.float32),
        "dfl transposed.3": generator.normal(0, 8, (1, 4, 525, 16)).astype(np.float32),
        "attention.-1": generator.normal(0, 20, (1, 2, 100, 100)).astype(np.float32),
        "long.1": generator.normal(0, 1, (1, 8400)).astype(np.float32),
        "long half.1": generator.normal(0, 1, (1, 8400)).astype(np.float16),
        "16 dimensions.7": generator.normal(0, 1, (1, 2) * 8).astype(np.float32),
    }


def test_extreme_values(plugin: Plugin) -> None:
    for name, x in extremes().items():
        axis = int(name.rpartition(".")[2])
        code, result = plugin.compute(x, axis)
        assert code == 0, name
        assert_softmax(result, x, axis)
    _, rows = plugin.compute(extremes()["rows.1"], 1)
    assert np.isnan(rows[[0, 1, 2, 3, 5]]).all() and np.array_equal(rows[4], [0, 1, 0])
    assert np.array_equal(rows[6], [1, 0, 0]) and rows[8] == pytest.approx(1 / 3)


def test_what_the_runtime_is_told(plugin: Plugin) -> None:
    op = plugin.op
    assert (op.version, op.target, op.op_type) == (1, 1, OP_TYPE.encode())
    assert op.compute and not (op.init or op.prepare or op.compute_native or op.destroy)
    assert [ctypes.sizeof(struct) for struct in (Attr, Memory, Tensor, Context, OpAttr, CustomOp)] == [
        376, 40, 416, 48, 272, 832,
    ]  # fmt: skip


def test_the_axis_is_the_nodes_attribute(plugin: Plugin) -> None:
    x = np.random.default_rng(1).normal(size=(2, 3, 4)).astype(np.float32)
    plugin.asked.clear()
    for given_, axis in ((None, -1), (np.array([1], np.int32), 1), (np.array([-3]), 0), (2, 2)):
        code, result = plugin.compute(x, given_)
        assert code == 0
        assert_softmax(result, x, axis)
    assert plugin.asked == [b"axis"] * 4


def setting(which: int, part: str, **values: Any) -> Callable[[Tensor, Tensor], object]:
    def spoil(*tensors: Tensor) -> None:
        for name, value in values.items():
            setattr(getattr(tensors[which], part), name, value)

    return spoil


def no_dimensions(source: Tensor, result: Tensor) -> None:
    source.attr.n_dims = 0


def overflowing(source: Tensor, result: Tensor) -> None:
    source.attr.dims[0] = source.attr.dims[1] = source.attr.dims[2] = 2**31


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "two inputs": ({"counts": (2, 1)}, "2 inputs and 1 outputs"),
    "no output": ({"counts": (1, 0)}, "1 inputs and 0 outputs"),
    "no dimensions": ({"spoil": no_dimensions}, "number of dimensions is not 1 to 16 (0)"),
    "17 dimensions": ({"spoil": setting(0, "attr", n_dims=17)}, "number of dimensions is not 1 to 16 (17)"),
    "wrong count": ({"spoil": setting(0, "attr", n_elems=25)}, "not the product of the dimensions (25)"),
    "overflow": ({"spoil": overflowing}, "not the product of the dimensions (24)"),
    "small output": ({"spoil": setting(1, "attr", n_elems=12)}, "has not the input's number of elements (12)"),
    "NHWC": ({"spoil": setting(0, "attr", fmt=NHWC)}, "neither NCHW nor UNDEFINED (1)"),
    "NC1HWC2": ({"spoil": setting(0, "attr", fmt=NC1HWC2)}, "neither NCHW nor UNDEFINED (2)"),
    "int8": ({"spoil": setting(0, "attr", type=2)}, "neither float32 nor float16 (2)"),
    "mixed types": ({"spoil": setting(1, "attr", type=1)}, "has not the input's type (1)"),
    "no input memory": ({"spoil": setting(0, "mem", virt_addr=None)}, "has no memory"),
    "no output memory": ({"spoil": setting(1, "mem", virt_addr=None)}, "has no memory"),
    "axis too large": ({"axis": 3}, "there is no such axis (3)"),
    "axis too small": ({"axis": -4}, "there is no such axis (-4)"),
    "two axes": ({"axis": np.array([0, 1])}, "axis is not one integer"),
    "axis of floats": ({"axis": np.array([1], np.float32)}, "axis is not one integer"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_it_cannot_do_is_refused_and_logged(plugin: Plugin, capfd: pytest.CaptureFixture[str], name: str) -> None:
    arguments, message = BAD[name]
    x = np.ones((2, 3, 4), np.float32)
    code, result = plugin.compute(x, **{"axis": -1, **arguments})
    said = capfd.readouterr().err
    assert code == INVALID and (result == 7).all(), "nothing is written"
    assert said.startswith("cstSoftmax: ") and message in said and said.count("\n") == 1


@pytest.mark.parametrize(("shape", "axis"), [((2, 3), 2), ((2, 3), -3), ((), 0), ((1,) * 17, 0)])
def test_the_kernel_refuses_too(plugin: Plugin, shape: tuple[int, ...], axis: int) -> None:
    code, result = plugin.kernel(np.ones(shape, np.float32), axis)
    assert code == INVALID and (result == 7).all()
    assert plugin.kernel(np.ones((2, 2), np.int8), 0)[0] == INVALID


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
