"""Calls librkcst_softmax.so as librknnrt would: the structs of rknn_custom_op.h and rknn_api.h (rknn_model_zoo 2.3.2).

    python tests/fakes/plugin.py PLUGIN RUNTIME CASES.npz ANSWERS.npz

answers each case, an array `NAME.AXIS`, where no test can run: under qemu, or in a process with a sanitizer in it.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from ctypes import (
    CFUNCTYPE,
    POINTER,
    Structure,
    c_char,
    c_char_p,
    c_float,
    c_int,
    c_int8,
    c_int32,
    c_int64,
    c_uint8,
    c_uint32,
    c_uint64,
    c_void_p,
)
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

TYPES = {"float32": 0, "float16": 1, "int8": 2, "int32": 6, "int64": 8}
NCHW, NHWC, NC1HWC2, UNDEFINED = range(4)


class Attr(Structure):
    _fields_ = [
        ("index", c_uint32), ("n_dims", c_uint32), ("dims", c_uint32 * 16), ("name", c_char * 256),
        ("n_elems", c_uint32), ("size", c_uint32), ("fmt", c_uint32), ("type", c_uint32), ("qnt_type", c_uint32),
        ("fl", c_int8), ("zp", c_int32), ("scale", c_float), ("w_stride", c_uint32), ("size_with_stride", c_uint32),
        ("pass_through", c_uint8), ("h_stride", c_uint32),
    ]  # fmt: skip


class Memory(Structure):
    _fields_ = [
        ("virt_addr", c_void_p), ("phys_addr", c_uint64), ("fd", c_int32), ("offset", c_int32), ("size", c_uint32),
        ("flags", c_uint32), ("priv_data", c_void_p),
    ]  # fmt: skip


class Tensor(Structure):
    _fields_ = [("attr", Attr), ("mem", Memory)]


class Context(Structure):
    _fields_ = [("target", c_uint32), ("internal_ctx", c_uint64), ("gpu_ctx", c_void_p * 3), ("priv_data", c_void_p)]


class OpAttr(Structure):
    _fields_ = [("name", c_char * 256), ("dtype", c_uint32), ("n_elems", c_uint32), ("data", c_void_p)]


Compute = CFUNCTYPE(c_int, POINTER(Context), POINTER(Tensor), c_uint32, POINTER(Tensor), c_uint32)
Answer = CFUNCTYPE(None, POINTER(Context), c_char_p, POINTER(OpAttr))


class CustomOp(Structure):
    _fields_ = [
        ("version", c_uint32), ("target", c_uint32), ("op_type", c_char * 256), ("cl_kernel_name", c_char * 256),
        ("cl_kernel_source", c_char_p), ("cl_source_size", c_uint64), ("cl_build_options", c_char * 256),
        ("init", c_void_p), ("prepare", c_void_p), ("compute", Compute), ("compute_native", c_void_p),
        ("destroy", c_void_p),
    ]  # fmt: skip


GUARD = 64
"""Bytes before and after a tensor that nobody may touch; with the first of them the offset is not 0."""


class Buffer:
    """A tensor as the runtime hands it over, inside guarded memory."""

    def __init__(self, array: NDArray[Any], name: bytes) -> None:
        self._bytes = np.full(array.nbytes + 2 * GUARD, 0xA5, np.uint8)
        self._like = array
        self._inside = self._bytes[GUARD : GUARD + array.nbytes]
        self._inside[:] = np.frombuffer(array.tobytes(), np.uint8)
        layout = NCHW if array.ndim == 4 else UNDEFINED
        kind = TYPES[array.dtype.name]
        attr = Attr(n_dims=array.ndim, name=name, n_elems=array.size, size=array.nbytes, fmt=layout, type=kind)
        attr.dims[: array.ndim] = array.shape
        self.tensor = Tensor(attr, Memory(virt_addr=self._bytes.ctypes.data, offset=GUARD, size=array.nbytes))

    def read(self) -> NDArray[Any]:
        assert (self._bytes[:GUARD] == 0xA5).all() and (self._bytes[GUARD + self._like.nbytes :] == 0xA5).all()
        return np.frombuffer(self._inside.tobytes(), self._like.dtype).reshape(self._like.shape)


_computing: list[Plugin] = []


def _asked(context: Any, name: bytes, found: Any) -> None:
    _computing[-1].answer(name, found.contents)


_answer = Answer(_asked)
"""One for all: a plug-in of a process finds the runtime that was loaded first, whichever is its own."""


class Plugin:
    """The loaded plug-in, and the stand-in for librknnrt.so that it finds its attributes through."""

    def __init__(self, plugin: Path, runtime: Path) -> None:
        # As on a board: the runtime is in the process, its symbols are not global, and the plug-in needs it by soname.
        self._runtime = ctypes.CDLL(str(runtime))
        self._library = ctypes.CDLL(str(plugin))
        entry: Any = self._library.get_rknn_custom_op
        entry.restype = POINTER(CustomOp)
        self.op: CustomOp = entry().contents
        self._axis: NDArray[Any] | None = None
        self.asked: list[bytes] = []
        self._runtime.set_answer(_answer)

    def answer(self, name: bytes, found: OpAttr) -> None:
        self.asked.append(name)
        found.n_elems = 0
        if self._axis is not None:
            found.dtype = TYPES[self._axis.dtype.name]
            found.n_elems = self._axis.size
            found.data = self._axis.ctypes.data

    def kernel(self, x: NDArray[Any], axis: int) -> tuple[int, NDArray[Any]]:
        """Return what the pure kernel returns, and its result."""
        source, result = np.ascontiguousarray(x), np.full_like(x, 7, order="C")
        code: int = self._library.cst_softmax(
            c_void_p(source.ctypes.data), c_void_p(result.ctypes.data), c_uint32(TYPES[x.dtype.name]),
            (c_uint32 * max(x.ndim, 1))(*x.shape), c_uint32(x.ndim), c_int64(axis),
        )  # fmt: skip
        return code, result

    def compute(
        self,
        x: NDArray[Any],
        axis: NDArray[Any] | int | None,
        *,
        in_place: bool = False,
        spoil: Callable[[Tensor, Tensor], object] | None = None,
        counts: tuple[int, int] = (1, 1),
    ) -> tuple[int, NDArray[Any]]:
        """Run the callback on x; `spoil` may damage both tensors before. An int axis is int64, as in ONNX."""
        self._axis = np.array([axis]) if isinstance(axis, int) else axis
        source = Buffer(x, b"/model.22/dfl/Softmax_in")
        result = source if in_place else Buffer(np.full_like(x, 7, order="C"), b"/model.22/dfl/Softmax_out")
        if spoil:
            spoil(source.tensor, result.tensor)
        _computing.append(self)
        code = self.op.compute(Context(target=1), source.tensor, counts[0], result.tensor, counts[1])
        return code, result.read()


def main() -> None:
    plugin = Plugin(Path(sys.argv[1]), Path(sys.argv[2]))
    answers = {}
    with np.load(sys.argv[3]) as cases:
        for name, x in cases.items():
            code, answers[name] = plugin.compute(x, int(name.rpartition(".")[2]))
            assert code == 0, (name, code)
    np.savez(sys.argv[4], **answers)


if __name__ == "__main__":
    main()
