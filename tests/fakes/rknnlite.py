"""A stand-in for rknn-toolkit-lite2 that refuses what the real one refuses."""

from __future__ import annotations

import math
import sys
import threading
import weakref
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from yolorknn.errors import ModelError
from yolorknn.model import rknn_file
from yolorknn.model.metadata import Tensor
from yolorknn.runtime.session import image_input

Batch = NDArray[Any]
Answer = Callable[..., list[NDArray[np.float32]]]


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
        self._inputs = file.inputs
        return 0

    def inference(self, inputs: Any, data_format: Any = None) -> list[NDArray[np.float32]] | None:
        try:
            if not self._busy.acquire(blocking=False):
                self.wrongs.append("two threads in one context")
            if id(self) not in self.live:
                return self._none("Runtime environment is not inited")
            if isinstance(inputs, np.ndarray) and inputs.ndim == 4:
                inputs = [inputs]
            if not isinstance(inputs, list) or len(inputs) != len(self._inputs):
                return self._none("The input should be a list")
            for number, (array, tensor) in enumerate(zip(inputs, self._inputs, strict=True)):
                if refused := self._refused(number, array, tensor):
                    return self._none(refused)
            self.cycles.add(_Cycle())
            return type(self).answer(*inputs)
        except:  # noqa: E722  the vendor's own bare except, which takes KeyboardInterrupt
            return self._none("Traceback (most recent call last)")
        finally:
            self._busy.release()

    def _refused(self, number: int, array: Batch, tensor: Tensor) -> str:
        dims = len(tensor.shape)
        if array.ndim != dims:
            return f"The input[{number}] need {dims}dims input, but {array.ndim}dims input buffer feed."
        if array.dtype == np.float64:
            return "float64 is not supported"
        if array.size < math.prod(tensor.shape):
            return "rknn_inputs_set failed: -5"
        taken = image_input(tensor)
        right = (np.uint8, np.float32) if dims == 4 else (np.float32, np.int64)
        if array.shape != taken.shape or array.dtype not in right or not array.flags.c_contiguous:
            self.wrongs.append(f"fed {array.dtype} {array.shape}")
        return ""

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
