"""Memory that librknnrt writes a frame's outputs into, used again once nobody refers to the arrays in it any more.

To get fresh pages for 1.2 MB a frame would cost more than to write them.
"""

from __future__ import annotations

import math
import weakref
from collections import deque
from collections.abc import Iterator, Sequence
from ctypes import memmove
from typing import Any

import numpy as np
from numpy.typing import NDArray

from yolorknn.model.metadata import Tensor
from yolorknn.runtime.rknn_api import Output

ALIGNMENT = 64
"""Bytes; a line of the CPU's cache."""
SPARE = 4
"""Pieces kept for the next frames, beside those in use."""


class Memory:
    """The memory of one frame's outputs, and what the library is asked for."""

    def __init__(self, outputs: Sequence[Tensor], size: int) -> None:
        self.bytes = bytearray(size)
        address = np.frombuffer(self.bytes, np.uint8).__array_interface__["data"][0]
        self.wanted = (Output * len(outputs))()
        self._addresses = []
        for number, (tensor, start, stop) in enumerate(_places(outputs)):
            wanted = self.wanted[number]
            wanted.index, wanted.preallocated, wanted.want_float = number, 1, tensor.dtype == "float32"
            wanted.data, wanted.size = address + start, stop - start
            self._addresses.append(wanted.data)
        self._asked = bytes(self.wanted)

    def ask(self) -> None:
        """Ask for the same again: what a library wrote of the last frame, as another size, is none of this memory's."""
        memmove(self.wanted, self._asked, len(self._asked))

    def is_where_they_are(self) -> bool:
        """Tell whether the library wrote the outputs here."""
        return [wanted.data for wanted in self.wanted] == self._addresses


def _places(outputs: Sequence[Tensor]) -> Iterator[tuple[Tensor, int, int]]:
    """Give each output with where in one memory it begins and ends, in bytes."""
    start = 0
    for tensor in outputs:
        stop = start + math.prod(tensor.shape) * np.dtype(tensor.dtype).itemsize
        yield tensor, start, stop
        start = -(-stop // ALIGNMENT) * ALIGNMENT


class OutputMemory:
    """Lends memory for the outputs of one frame after the other."""

    def __init__(self, outputs: Sequence[Tensor]) -> None:
        self._outputs, self._places = outputs, list(_places(outputs))
        self._spare: deque[Memory] = deque(maxlen=SPARE)

    def take(self) -> tuple[Memory, dict[str, NDArray[Any]]]:
        """Return memory that nobody uses, and the arrays in it; with the last of these it comes back by itself."""
        try:
            memory = self._spare.pop()
            memory.ask()
        except IndexError:
            memory = Memory(self._outputs, self._places[-1][2])
        whole = np.frombuffer(memory.bytes, np.uint8)  # the base of all arrays in it, and of all views of these
        weakref.finalize(whole, self._spare.append, memory).atexit = False
        arrays = {
            tensor.name: whole[start:stop].view(tensor.dtype).reshape(tensor.shape)
            for tensor, start, stop in self._places
        }
        return memory, arrays
