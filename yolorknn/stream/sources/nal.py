"""NAL units, of which H.264's and H.265's packets are made, and the numbers in them."""

from __future__ import annotations

import re
from collections.abc import Iterator

BEGINNING = 2048
"""Bytes in which parameter sets end."""
HEAD = 64
"""Bytes of a slice's head that are read."""
_START = re.compile(rb"\x00\x00\x01")
_LONGEST_CODE = 32


class EndError(Exception):
    """The bits are at their end, or are no such structure."""


class Bits:
    """Reads numbers of a NAL unit as the standards write them; an escape (00 00 03) is taken out."""

    def __init__(self, unit: bytes) -> None:
        data = re.sub(rb"\x00\x00\x03", b"\x00\x00", unit)
        self._value, self._left = int.from_bytes(data, "big"), 8 * len(data)

    def take(self, bits: int) -> int:
        """Read a number of so many bits."""
        if bits > self._left:
            raise EndError
        self._left -= bits
        return self._value >> self._left & (1 << bits) - 1

    def unsigned(self) -> int:
        """Read an Exp-Golomb code."""
        zeros = 0
        while not self.take(1):
            zeros += 1
            if zeros > _LONGEST_CODE:
                raise EndError
        return (1 << zeros) - 1 + self.take(zeros)

    def signed(self) -> int:
        """Read an Exp-Golomb code of a number that may be below 0."""
        code = self.unsigned()
        return (code + 1) // 2 if code & 1 else -(code // 2)


def units_of(packet: bytes) -> Iterator[bytes]:
    """Give the beginning of each NAL unit of a packet in Annex B's form, found as it is asked for."""
    for found in _START.finditer(packet):
        if unit := packet[found.end() : found.end() + BEGINNING]:
            yield unit
