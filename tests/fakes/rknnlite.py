"""Stand-ins for hardware that refuse what the real thing refuses."""

from __future__ import annotations

import json
import random
import struct
import sys
import threading
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from tests.fakes.encode import Cell, encode_split
from yolorknn.errors import InferenceError, ModelError
from yolorknn.model import rknn_file
from yolorknn.model.metadata import ModelMetadata

Batch = NDArray[Any]
Answer = Callable[[Batch], list[NDArray[np.float32]]]


def write_rknn(path: Path, metadata: ModelMetadata, *, platform: str = "rk3588", custom: str | None = "") -> Path:
    """Write the outside of a .rknn, as laid out in rknn_file.py: everything but the network."""
    text = metadata.pack() if custom == "" else custom
    shapes = {"images": (1, 3, *metadata.imgsz), **metadata.shapes()}
    attrs = {
        name: {"idx": max(i - 1, 0), "shape": list(shape), "layout": "nchw", "is_output": i > 0}
        for i, (name, shape) in enumerate(shapes.items())
    }
    attrs["images"] |= {"mean": [int(v) for v in metadata.mean], "std": [int(v) for v in metadata.std]}
    body = (
        b"\x10\0\0\0junk\0" + (text.encode() + b"\0" if text else b"") + str({"attrs": attrs}).encode() + b"\0weights"
    )
    tensors = [{"url": name, "size": list(shape), "dtype": {"qnt_type": "int8"}} for name, shape in shapes.items()]
    trailer = json.dumps({"target_platform": [platform], "version": "2.3.2", "norm_tensor": tensors}).encode()
    header = (b"RKNN" + struct.pack("<IQQ", 0, 6, len(body))).ljust(64, b"\0")
    path.write_bytes(header + body + struct.pack("<Q", len(trailer)) + trailer)
    return path


class _Cycle:
    def __init__(self) -> None:
        self.itself = self


class FakeRKNNLite:
    """rknn-toolkit-lite2's class as measured: -1 and None for any failure, the cause on stderr, Ctrl-C swallowed.

    Where the real one would silently do something wrong (a wrong shape, two threads in one context), the fake notes it
    in `wrongs`, which the fixture checks; so it does with contexts that were never released.
    """

    soc = "rk3588"
    answer: Answer
    calls: list[tuple[Any, ...]]
    wrongs: list[str]
    cycles: weakref.WeakSet[_Cycle]
    """What inference() leaves behind, as the real one does."""
    live: set[int]
    fail_init: int | None = None
    """Which init_runtime of the process fails, from 0."""

    MASKS: ClassVar = {"rk3588": (0, 1, 2, 4, 3, 7, 0xFFFF), "rk3576": (0, 1, 2, 3, 4, 7, 0xFFFF)}

    @classmethod
    def reset(cls, soc: str) -> None:
        cls.soc, cls.calls, cls.wrongs, cls.live, cls.fail_init = soc, [], [], set(), None
        cls.cycles = weakref.WeakSet()

    def __init__(self, verbose: bool = False, verbose_file: str | None = None) -> None:
        self.rknn_runtime: object | None = None
        self._path: Path | None = None
        self._busy = threading.Lock()

    def load_rknn(self, path: str) -> int:
        if path is None:
            raise TypeError("stat: path should be string, bytes, os.PathLike or integer, not NoneType")
        self._path = Path(path)
        return 0 if self._path.is_file() else self._say("Invalid RKNN model path")

    def init_runtime(self, target: Any = None, core_mask: Any = 0) -> int:
        number = sum(1 for call in self.calls if call[0] == "init_runtime")
        self.calls.append(("init_runtime", core_mask))
        if target is not None:
            return self._say("Unsupported run platform: Linux aarch64")
        self.rknn_runtime = object()  # set also when init fails
        try:
            file = rknn_file.read(self._path or Path())
        except ModelError:
            return self._say("RKNN init failed. error code: RKNN_ERR_MODEL_INVALID")
        if self.soc not in file.platforms:
            return self._say("RKNN init failed. error code: RKNN_ERR_TARGET_PLATFORM_UNMATCH")
        self.live.add(id(self))
        if core_mask not in self.MASKS.get(self.soc, (0,)):
            return self._say("E RKNN: core_mask is supported by RK3588 and RK3576 only")
        if number == self.fail_init:
            return self._say("RKNN init failed. error code: RKNN_ERR_DEVICE_UNAVAILABLE")
        self._shapes = [tensor.shape for tensor in file.inputs]
        return 0

    def inference(self, inputs: Any, data_format: Any = None) -> list[NDArray[np.float32]] | None:
        try:
            if not self._busy.acquire(blocking=False):
                self.wrongs.append("two threads in one context")
            if id(self) not in self.live:
                return self._none("Runtime environment is not inited")
            if isinstance(inputs, np.ndarray) and inputs.ndim == 4:
                inputs = [inputs]
            if not isinstance(inputs, list) or len(inputs) != 1:
                return self._none("The input should be a list")
            (array,) = inputs
            if array.ndim != 4:
                return self._none(f"The input[0] need 4dims input, but {array.ndim}dims input buffer feed.")
            if array.dtype == np.float64:
                return self._none("float64 is not supported")
            _, channels, height, width = self._shapes[0]
            if array.size < channels * height * width:
                return self._none("rknn_inputs_set failed: -5")
            if array.shape != (1, height, width, channels) or array.dtype != np.uint8 or not array.flags.c_contiguous:
                self.wrongs.append(f"fed {array.dtype} {array.shape}")
            self.cycles.add(_Cycle())
            return type(self).answer(array)
        except:  # noqa: E722  the vendor's own bare except, which takes KeyboardInterrupt
            return self._none("Traceback (most recent call last)")
        finally:
            self._busy.release()

    def release(self) -> None:
        self.calls.append(("release",))
        self.live.discard(id(self))
        self.rknn_runtime = None

    def _say(self, text: str) -> int:
        print(f"E {text}", file=sys.stderr, flush=True)
        return -1

    def _none(self, text: str) -> list[NDArray[np.float32]] | None:
        self._say(text)
        return None


def install(soc: str) -> tuple[type[FakeRKNNLite], dict[str, ModuleType]]:
    """Return a fresh fake and the modules to put in sys.modules."""

    class RKNNLite(FakeRKNNLite):
        pass

    RKNNLite.reset(soc)
    package, api = ModuleType("rknnlite"), ModuleType("rknnlite.api")
    api.RKNNLite = RKNNLite  # type: ignore[attr-defined]
    return RKNNLite, {"rknnlite": package, "rknnlite.api": api}


def numbered_frame(number: int, imgsz: tuple[int, int]) -> NDArray[np.uint8]:
    """Return a BGR frame whose pixels say its number."""
    return np.full((*imgsz, 3), (number % 256, number // 256, 7), np.uint8)


def number_of(image: NDArray[np.uint8]) -> int:
    """Read the number back from the RGB input."""
    assert image[0, 0, 0] == 7
    return int(image[0, 0, 2]) + 256 * int(image[0, 0, 1])


def cell_of(number: int) -> Cell:
    """Return the box that stands for a number."""
    return Cell(32, 0, 0, number % 5, 0.5 + number % 400 / 1000, (0.25, 0.25, 0.25, 0.25))


class NumberBackend:
    """One core of an NPU: takes its time, answers the frame's number as a box, and fails where told to."""

    def __init__(self, metadata: ModelMetadata, *, seconds: float = 0.0, failing: frozenset[int] = frozenset()) -> None:
        self.metadata, self.seconds, self.failing = metadata, seconds, failing
        self.closed = False
        self._busy = threading.Lock()

    def infer(self, image: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        assert not self.closed, "used after close"
        assert self._busy.acquire(blocking=False), "two threads in one backend"
        try:
            number = number_of(image)
            time.sleep(random.random() * 2 * self.seconds)
            if number in self.failing:
                raise InferenceError(f"frame {number}")
            return encode_split(self.metadata, [cell_of(number)])
        finally:
            self._busy.release()

    def close(self) -> None:
        assert not self._busy.locked(), "closed while in use"
        self.closed = True
