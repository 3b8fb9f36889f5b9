"""librknnrt's C interface through ctypes: its structs, its calls, and what its codes mean.

Declared as far as it is used here. Nothing that the library answers is believed: rknnrt.py looks at every code, and at
what a struct holds before it uses it.
"""

from __future__ import annotations

import ctypes
from ctypes import POINTER, Structure, c_char, c_float, c_int, c_int8, c_int32, c_uint8, c_uint32, c_uint64, c_void_p
from typing import Any

from yolorknn.errors import BackendError
from yolorknn.runtime.wheel import way_out

LIBRARIES = ("librknnrt.so", "/usr/lib/librknnrt.so")
"""As the dynamic linker finds it (LD_LIBRARY_PATH, the system's folders); and where the vendor's wheel looks."""
WAY_OUT = way_out()

CODES = {
    -1: "RKNN_ERR_FAIL",
    -2: "RKNN_ERR_TIMEOUT",
    -3: "RKNN_ERR_DEVICE_UNAVAILABLE",
    -4: "RKNN_ERR_MALLOC_FAIL",
    -5: "RKNN_ERR_PARAM_INVALID",
    -6: "RKNN_ERR_MODEL_INVALID",
    -7: "RKNN_ERR_CTX_INVALID",
    -8: "RKNN_ERR_INPUT_INVALID",
    -9: "RKNN_ERR_OUTPUT_INVALID",
    -10: "RKNN_ERR_DEVICE_UNMATCH",
    -11: "RKNN_ERR_INCOMPATILE_PRE_COMPILE_MODEL",
    -12: "RKNN_ERR_INCOMPATILE_OPTIMIZATION_LEVEL_VERSION",
    -13: "RKNN_ERR_TARGET_PLATFORM_UNMATCH",
}
TIMED_OUT = -2
TYPES = {
    0: "float32",
    1: "float16",
    2: "int8",
    3: "uint8",
    4: "int16",
    5: "uint16",
    6: "int32",
    7: "uint32",
    8: "int64",
    9: "bool",
    10: "int4",
    11: "bfloat16",
}
"""numpy's names of the library's types of numbers."""
TYPE_OF = {name: number for number, name in TYPES.items()}
GIVEN_AS = {"float64": "float32", "uint64": "int64"}
"""What an array of a type that the library does not take is given as."""
MOST_BYTES = 2**32 - 1
"""Of a model, and of an array that is given: the library's sizes have 32 bits, and ctypes cuts off what is more."""
NCHW, NHWC = 0, 1
LAYOUTS = (NCHW, NHWC, 3)
"""Those in which a shape says where a number is; the last is of what is no image. 2 is the NPU's own, NC1HWC2."""
AFFINE = 2
"""The quantization whose value is scale * (number - zero point)."""
QUANTIZATIONS = (0, 1, AFFINE)
"""None, and fixed point; numbers of these are asked for as float32."""
COUNTS, INPUT, OUTPUT, DURATION, VERSION, MEMORY = 0, 1, 2, 4, 5, 6
"""What rknn_query is asked for."""


class Counts(Structure):
    """How many inputs and outputs the model has."""

    _fields_ = (("inputs", c_uint32), ("outputs", c_uint32))


class Attributes(Structure):
    """What the library says of an input or output; `index` is set before it is asked for."""

    _fields_ = (
        ("index", c_uint32),
        ("n_dims", c_uint32),
        ("dims", c_uint32 * 16),
        ("name", c_char * 256),
        ("n_elems", c_uint32),
        ("size", c_uint32),
        ("format", c_int32),
        ("type", c_int32),
        ("quantization", c_int32),
        ("fl", c_int8),
        ("zero_point", c_int32),
        ("scale", c_float),
        ("w_stride", c_uint32),
        ("size_with_stride", c_uint32),
        ("pass_through", c_uint8),
        ("h_stride", c_uint32),
    )


class Versions(Structure):
    """Of the library and of the driver."""

    _fields_ = (("api", c_char * 256), ("driver", c_char * 256))


class Memory(Structure):
    """Bytes that a context takes."""

    _fields_ = (
        ("weights", c_uint32),
        ("internal", c_uint32),
        ("dma", c_uint64),
        ("sram", c_uint32),
        ("free_sram", c_uint32),
        ("reserved", c_uint32 * 10),
    )


class Input(Structure):
    """An array that is given."""

    _fields_ = (
        ("index", c_uint32),
        ("data", c_void_p),
        ("size", c_uint32),
        ("pass_through", c_uint8),
        ("type", c_int32),
        ("format", c_int32),
    )


class Output(Structure):
    """An array that is asked for; `preallocated`: `data` is ours to be written into."""

    _fields_ = (
        ("want_float", c_uint8),
        ("preallocated", c_uint8),
        ("index", c_uint32),
        ("data", c_void_p),
        ("size", c_uint32),
    )


class RunExtend(Structure):
    """What goes with a run: the library writes its number, and gives up after `timeout_ms`, where that is not 0."""

    _fields_ = (("frame_id", c_uint64), ("non_block", c_int32), ("timeout_ms", c_int32), ("fence_fd", c_int32))


class OutputExtend(Structure):
    """The number of the frame that the outputs are of."""

    _fields_ = (("frame_id", c_uint64),)


CALLS: dict[str, tuple[Any, ...]] = {
    "rknn_init": (POINTER(c_uint64), c_void_p, c_uint32, c_uint32, c_void_p),
    "rknn_dup_context": (POINTER(c_uint64), POINTER(c_uint64)),
    "rknn_set_core_mask": (c_uint64, c_int),
    "rknn_query": (c_uint64, c_int, c_void_p, c_uint32),
    "rknn_inputs_set": (c_uint64, c_uint32, POINTER(Input)),
    "rknn_run": (c_uint64, POINTER(RunExtend)),
    "rknn_outputs_get": (c_uint64, c_uint32, POINTER(Output), POINTER(OutputExtend)),
    "rknn_outputs_release": (c_uint64, c_uint32, POINTER(Output)),
    "rknn_destroy": (c_uint64,),
}


class Library:
    """librknnrt.so, loaded."""

    def __init__(self) -> None:
        """Load it.

        Raises:
            BackendError: it is absent, for another machine, or lacks a call.
        """
        if ctypes.sizeof(c_void_p) != 8:
            raise BackendError(f"librknnrt is called from 64-bit programs only, which this Python is not: {WAY_OUT}")
        library = _loaded()
        self._functions: dict[str, Any] = {}
        for name, arguments in CALLS.items():
            try:
                function = getattr(library, name)
            except AttributeError:
                raise BackendError(f"librknnrt.so has no {name}, it is too old: {WAY_OUT}") from None
            function.argtypes, function.restype = arguments, c_int
            self._functions[name] = function

    def call(self, name: str, *arguments: Any) -> int:
        """Make a call, without the GIL, and return its code: 0, or one of CODES."""
        return int(self._functions[name](*arguments))


def _loaded() -> ctypes.CDLL:
    absent, wrong = "", ""
    for name in LIBRARIES:
        try:
            return ctypes.CDLL(name)
        except OSError as exc:  # not there, no library, or for another machine
            if name in str(exc) and "No such file" in str(exc):  # itself; it may also be said of one that it needs
                absent = str(exc)
            else:
                wrong = wrong or str(exc)
    raise BackendError(f"librknnrt.so cannot be loaded ({wrong or absent}): see 'yolorknn doctor'")


def words(name: str, code: int) -> str:
    """Return what a call that failed is told as."""
    return f"{name} returned {code} ({CODES.get(code, 'a code that is not documented')})"
