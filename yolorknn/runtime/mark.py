"""What tells a frame and its outputs from the next: the vendor's wheel may hand out those of the frame before.

It does not look at the code of rknn_run, and when that fails it gives what it finds.
"""

from __future__ import annotations

import zlib
from typing import NamedTuple

import numpy as np

from yolorknn.runtime.context import Outputs
from yolorknn.runtime.session import Arrays

LARGE = 1 << 16
"""Bytes of an input or output from which a part of it says whether it is another."""
EACH = 8
"""Of the channels of a large output, each which one is kept: whatever changes in an image does so in many of them."""
FIRST_BELIEVED, MOST_BELIEVED = 4, 10_000
"""Inferences in a row whose outputs are believed to be alike, once a fresh context confirmed it; and at most."""

OWED = 4
"""Confirmations in a row that one which has lied needs: one that is always stuck is right by chance too."""


class Mark(NamedTuple):
    """Of one inference, whose input may be overwritten, and whose outputs, 5 MB of floats, are not all kept."""

    checksum: int
    """Of the inputs."""
    kept: Outputs
    """Copies: whoever is given the outputs may write to them."""


class Repeats:
    """Whether outputs that come again, of other inputs, are to be checked on a fresh context.

    A model may answer different inputs alike, as a classifier does before a still scene; a runtime that is stuck does
    so too, perhaps long after the first was confirmed. So what is confirmed holds for twice as many in a row as
    before: a model that is constant costs few checks, and a runtime that gets stuck is found out.
    """

    def __init__(self) -> None:
        self._last: Mark | None = None
        self._alike = 0
        """In a row, since the last check."""
        self.believed = 0
        """How many in a row need no check; 0 until a fresh context has confirmed one."""
        self._owed = 0
        """Confirmations before any is believed again."""

    def doubts(self, mark: Mark | None) -> bool:
        """Take the next inference's mark, None where it needs none; return whether it is to be checked."""
        last, self._last = self._last, mark
        if mark is None or last is None or not same(mark.kept, last.kept):
            self._alike = 0
        else:
            self._alike += mark.checksum != last.checksum
        return self._alike > self.believed

    def checked(self, mark: Mark | None, *, confirmed: bool) -> None:
        """Take the mark of the same inference on a fresh context, and whether the outputs were the same."""
        if not confirmed:
            self.believed, self._owed = 0, OWED
        elif self._owed:
            self._owed -= 1
        else:
            self.believed = min(max(FIRST_BELIEVED, 2 * self.believed), MOST_BELIEVED)
        self._last, self._alike = mark, 0

    def put_off(self) -> None:
        """Check later: it could not be done."""
        self._alike = 0

    def forget(self) -> None:
        """Compare the next inference with none, as it is the first of a context."""
        self._last = None


def mark_of(arrays: Arrays, outputs: Outputs) -> Mark:
    """Return the mark of an inference."""
    kept = {
        name: array[:, ::EACH].copy() if array.nbytes > LARGE and array.ndim > 1 else array.copy()
        for name, array in outputs.items()
    }
    return Mark(_checksum(arrays), kept)


def same(one: Outputs, other: Outputs) -> bool:
    """Compare every 61st number before all of them: outputs of two images differ nearly everywhere."""
    return all(np.array_equal(one[name].ravel()[::61], other[name].ravel()[::61]) for name in one) and all(
        np.array_equal(one[name], other[name]) for name in one
    )


def _checksum(arrays: Arrays) -> int:
    """Return a checksum of every sixteenth row of large inputs: different frames differ there too, and it is often."""
    total = 1
    for array in arrays.values():
        part = array
        if array.nbytes > LARGE and array.ndim > 2:
            part = array.reshape(-1, array.shape[-2] * array.shape[-1])[::16]
        total = zlib.adler32(np.ascontiguousarray(part).data, total)
    return total
