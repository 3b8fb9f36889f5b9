""".rknn on the board: librknnrt directly, through ctypes; no wheel, no compiled code of ours.

Outputs stay as the chip has them, int8 or float16, and are written into memory that is used again once nobody refers
to the arrays in it any more.
"""

from __future__ import annotations

import logging
import math
from ctypes import byref, c_int64, sizeof
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from yolorknn.errors import BackendError, CoreHungError, InferenceError, InputError
from yolorknn.model.metadata import Tensor
from yolorknn.model.rknn_file import RknnFile
from yolorknn.runtime import rknn_api
from yolorknn.runtime.output_memory import OutputMemory
from yolorknn.runtime.rknn_api import Input, Library, OutputExtend, RunExtend, words
from yolorknn.runtime.rknn_handle import Handle
from yolorknn.runtime.rknn_said import Said
from yolorknn.runtime.session import Arrays, on_core
from yolorknn.runtime.stderr import caught_stderr
from yolorknn.text import reason_of

_logger = logging.getLogger(__name__)
MOST_MEMORY = 1 << 36
"""Bytes, more than a board has: what a library that fills in nothing, or another struct, says is not told."""


class Memory(NamedTuple):
    """What a context takes, in bytes, as the library says."""

    weights: int
    internal: int
    total: int
    """Allocated for it; of a context that shares another's weights, without these."""


class Weights:
    """A model whose contexts share its weights, where the library can."""

    def __init__(self, file: RknnFile) -> None:
        self._file = file
        self._library: Library | None = None
        self._first: RknnRtSession | None = None
        self._sealed = False

    def open(self, core: int | None) -> RknnRtSession:
        """Open a context on a core.

        Raises:
            BackendError: librknnrt is absent or too old, refused the model, or says nonsense of it.
        """
        self._library = self._library or Library()
        session = RknnRtSession(self._library, self._file, core=core, like=None if self._sealed else self._first)
        if not self._sealed:
            self._first = self._first or session
        return session

    def seal(self) -> None:
        """From now on contexts get weights of their own: the first may run, have failed, or hang."""
        self._sealed, self._first = True, None


class RknnRtSession:
    """One context of librknnrt. One thread at a time."""

    def __init__(
        self, library: Library, file: RknnFile, *, core: int | None = None, like: RknnRtSession | None = None
    ) -> None:
        """Load the model onto the NPU.

        Args:
            library: librknnrt.
            file: a .rknn for this board.
            core: index of the core to run on; None where the chip has no core masks.
            like: an idle context of the same file, whose weights are shared where that works.

        Raises:
            BackendError: the library refused the model (its own words are in the text), or says nonsense of it.
        """
        self.timeout = 0.0
        self._library, self._where = library, on_core(file.path, core)
        self._handle: Handle | None = None
        try:
            with caught_stderr() as said:
                refused = self._open(file, core, like)
            if refused:
                raise BackendError(": ".join(filter(None, [str(refused), said()]))) from refused
        except BaseException:
            self.close()
            raise
        self._given = (Input * len(self.inputs))()
        self._memory = OutputMemory(self.outputs)
        self._number: int | None = None
        """Of the last run, where its outputs had the same."""
        self.numbered = False
        """Whether the library numbers runs, and outputs alike: seen at the second run, and checked from then on."""

    def run(self, given: Arrays) -> dict[str, NDArray[Any]]:
        """Run the model; see Session.run. Inputs may be of any type that the library converts; images are NHWC.

        Raises:
            CoreHungError: no answer within `timeout`.
        """
        if self._handle is None:
            raise InferenceError(f"{self._where} is closed")
        kept = [self._lay(number, tensor, given[tensor.name]) for number, tensor in enumerate(self.inputs)]
        self._call("rknn_inputs_set", len(self.inputs), self._given)
        del kept  # the library has copied them
        ran, got = RunExtend(timeout_ms=math.ceil(self.timeout * 1000)), OutputExtend()
        self._call("rknn_run", byref(ran))
        memory, arrays = self._memory.take()
        try:
            self._call("rknn_outputs_get", len(self.outputs), memory.wanted, byref(got))
            there = memory.is_where_they_are()  # before a library may forget it
        finally:
            released = self._library.call("rknn_outputs_release", self._handle, len(self.outputs), memory.wanted)
        if released:
            raise InferenceError(f"{words('rknn_outputs_release', released)} for {self._where}")
        if not there:
            raise InferenceError(f"{self._where}: librknnrt did not write the outputs where it was asked to")
        self._check_number(ran.frame_id, got.frame_id)
        return arrays

    def memory(self) -> Memory | None:
        """Return what the context takes; None where the library does not say."""
        said = rknn_api.Memory()
        if self._handle is None or self._query(rknn_api.MEMORY, said) or not 0 < said.dma < MOST_MEMORY:
            return None
        return Memory(said.weights, said.internal, said.dma)

    def seconds_on_the_npu(self) -> float | None:
        """Return how long the last run took on the NPU, as the library says; None where it does not."""
        said = c_int64()
        if self._handle is None or self._query(rknn_api.DURATION, said) or not 0 < said.value < 600_000_000:
            return None
        return said.value / 1e6

    def close(self) -> None:
        """Destroy the context, or leave that to the last that shares its weights; a second call does nothing."""
        handle, self._handle = self._handle, None
        if handle is not None:
            handle.let_go()

    def _open(self, file: RknnFile, core: int | None, like: RknnRtSession | None) -> BackendError | None:
        """Open the context and check what the library says; return what is wrong with it, to be told with its words."""
        try:
            self._handle = self._opened(file, like)
            if core is not None:
                self._must("rknn_set_core_mask", 1 << core)
            said = Said(self._query, self._where)
            self.version = said.version()
            self.inputs, self.outputs = said.tensors(file)
        except BackendError as exc:
            return exc
        return None

    def _opened(self, file: RknnFile, like: RknnRtSession | None) -> Handle:
        owner = like._handle if like is not None else None
        if owner is not None and owner.hold():
            handle = Handle(self._library, self._where, owner)
            code = self._library.call("rknn_dup_context", byref(owner.value), byref(handle.value))
            if code == 0:
                return handle
            owner.let_go()
            _logger.info("%s for %s: it gets weights of its own", words("rknn_dup_context", code), self._where)
        try:
            data = file.path.read_bytes()
        except OSError as exc:  # also of a card that fails
            raise BackendError(f"cannot read the model {file.path}: {reason_of(exc)}") from exc
        if len(data) > rknn_api.MOST_BYTES:
            raise BackendError(
                f"{file.path} has {len(data) / 2**30:.1f} GiB, and librknnrt takes models of less than 4"
            )
        handle = Handle(self._library, self._where)
        code = self._library.call("rknn_init", byref(handle.value), data, len(data), 0, None)
        if code:
            raise BackendError(f"{words('rknn_init', code)} for {self._where}")
        return handle

    def _lay(self, number: int, tensor: Tensor, array: NDArray[Any]) -> NDArray[Any]:
        """Describe an input to the library; what is returned must live until it has read it."""
        wider = rknn_api.GIVEN_AS.get(array.dtype.name)
        if (length := array.size * np.dtype(wider or array.dtype).itemsize) > rknn_api.MOST_BYTES:
            raise InputError(
                f"input {tensor.name} has {length / 2**30:.1f} GiB, and librknnrt takes less than 4 of one"
            )
        if wider:
            if array.dtype.kind == "u" and array.size and array.max() > np.iinfo(wider).max:
                raise InputError(f"input {tensor.name} has numbers beyond {wider}, which librknnrt does not take")
            with np.errstate(over="ignore"):  # it is infinite in the chip's float16 by far
                array = array.astype(wider)
        kind = rknn_api.TYPE_OF.get(array.dtype.name)
        if array.shape != tensor.shape or kind is None:
            raise ValueError(f"{self._where} takes {tensor.name} {tensor.shape}, got {array.dtype} {array.shape}")
        array = np.ascontiguousarray(array)
        given = self._given[number]
        given.index, given.data, given.size = number, array.__array_interface__["data"][0], array.nbytes
        given.type, given.format = kind, rknn_api.NHWC if tensor.layout == "NHWC" else rknn_api.NCHW
        return array

    def _check_number(self, ran: int, got: int) -> None:
        before, self._number = self._number, ran if ran == got else None
        if self._number is not None and before is not None and ran != before:
            self.numbered = True  # ids that a library leaves as they are would always be equal
        if ran != got and (self.numbered or (before and got == before)):  # 0 may be what nobody wrote
            raise InferenceError(f"{self._where} gave the outputs of run {got} for those of run {ran}")

    def _call(self, name: str, *arguments: Any) -> None:
        code = self._library.call(name, self._handle, *arguments)
        if code == rknn_api.TIMED_OUT and name == "rknn_run" and self.timeout:
            raise CoreHungError(f"{self._where}: {words(name, code)} after {self.timeout:.1f} s")
        if code:
            raise InferenceError(f"{words(name, code)} for {self._where}")

    def _must(self, name: str, *arguments: Any) -> None:
        if code := self._library.call(name, self._handle, *arguments):
            raise BackendError(f"{words(name, code)} for {self._where}")

    def _query(self, what: int, answer: Any) -> int:
        return self._library.call("rknn_query", self._handle, what, byref(answer), sizeof(answer))
