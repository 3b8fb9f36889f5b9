"""The board's half of cstSoftmax, compiled for this machine, against numpy."""

from __future__ import annotations

import ctypes
import shutil
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from tests.fakes.plugin import NC1HWC2, NHWC, Attr, Context, CustomOp, Memory, OpAttr, Plugin, Tensor
from tests.plugins.conftest import INVALID, assert_softmax, compiled, extremes
from yolorknn.convert.export.custom_op import OP_TYPE


@pytest.fixture(scope="module")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Plugin:
    if shutil.which("gcc") is None:
        pytest.skip("no gcc")
    return Plugin(*compiled(tmp_path_factory.mktemp("plugin"), "gcc"))


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
