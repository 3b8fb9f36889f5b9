"""Memory of masks, used again when nobody holds them any more.

Nine objects of a 1080p frame have 19 MB of masks, and few bytes of them are ever written: clearing these again is far
cheaper than new pages of the system are, each of which it clears as a whole.
"""

from __future__ import annotations

import math
import mmap
import weakref
from collections import deque
from contextlib import suppress
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from yolorknn.errors import InferenceError

Region = tuple[int, slice, slice]
"""Of masks (N, H, W): the number of one, rows and columns."""

USUAL = 1 << 26
"""Bytes of a memory, of which those that nothing was written to take no place; only these are kept."""
KEPT = 2
"""At most so many wait for their next use."""


class _Memory(NamedTuple):
    pages: mmap.mmap
    shape: tuple[int, ...]
    written: list[Region]
    """What may be other than 0."""

    def masks(self) -> NDArray[np.bool_]:
        return np.frombuffer(self.pages, np.bool_, math.prod(self.shape)).reshape(self.shape)


_free: deque[_Memory] = deque(maxlen=KEPT)


def blank_masks(count: int, size: tuple[int, int]) -> tuple[NDArray[np.bool_], list[Region]]:
    """Return empty masks (count, *size), and a list of what is written there, which the caller keeps.

    A region is put into the list before it is written to; nothing is written once the masks have been handed out.

    Raises:
        InferenceError: the system has not as much memory.
    """
    shape, written = (count, *size), list[Region]()
    pixels = math.prod(shape)
    if pixels == 0:
        return np.zeros(shape, np.bool_), written
    pages = None
    with suppress(IndexError):
        if pixels <= USUAL:
            pages = _cleared(_free.pop())
    if pages is None:
        try:
            pages = mmap.mmap(-1, max(pixels, USUAL), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        except OSError as exc:
            raise InferenceError(
                f"the masks of {count} objects in an image of {size[1]}x{size[0]} pixels take {pixels / 2**30:.1f} GB, "
                "which the system has not: raise conf, lower max_det, or give smaller images"
            ) from exc
    memory = _Memory(pages, shape, written)
    masks = np.frombuffer(pages, np.bool_, pixels)
    if pixels <= USUAL:
        weakref.finalize(masks, _free.append, memory).atexit = False  # every view of them holds this array
    return masks.reshape(shape), written


def _cleared(memory: _Memory) -> mmap.mmap:
    masks = memory.masks()
    for region in memory.written:
        masks[region] = False
    return memory.pages
