"""Whether a picture that H.265 refers to is missing.

Decoders take others in its place, as FFmpeg did, or leave out what refers to it, as FFmpeg 8 does, and tell nothing of
it. But each picture says by their numbers (POC) which ones before it are still to be there, and which of them it refers
to itself: its reference picture set (7.3.7 and 8.3.2 of the standard).
"""

from __future__ import annotations

from yolorknn.stream.sources.h265_sets import MOST, Sequence, Set, sequence_of, set_of
from yolorknn.stream.sources.nal import HEAD, Bits, EndError, units_of

SPS, PPS = 33, 34
ALONE, BEGINS, IDR = range(16, 24), range(16, 21), (19, 20)
"""Kinds of pictures that stand alone; of those, the ones over which nothing refers back; of those, without a set."""
LEADING, SKIPPED = range(6, 10), (8, 9)
"""Kinds of pictures shown before the one that stands alone; of those, the ones that refer to what was before it."""


class References:
    """Follows the numbers of a stream's pictures, packet by packet."""

    def __init__(self, extradata: bytes | None) -> None:
        """Begin with what was said of the stream beforehand, all in Annex B's form."""
        self._sequences: dict[int, Sequence] = {}
        self._pictures: dict[int, tuple[int, int, int]] = {}
        self._there: set[int] | None = None
        self._last = 0
        self._skipping = False
        if extradata:
            self.is_missing(extradata)

    def is_missing(self, packet: bytes) -> bool:
        """Tell whether a picture is missing before this packet's; what cannot be read is left to the decoder."""
        try:
            for unit in units_of(packet):
                kind = unit[0] >> 1 & 63
                if kind == SPS:
                    self._sequences.update([sequence_of(unit)])
                elif kind == PPS:
                    bits = Bits(unit[2 : 2 + HEAD])
                    name, sequence = bits.unsigned(), bits.unsigned()
                    self._pictures[name] = (sequence, bits.take(2) & 1, bits.take(3))
                elif kind < 32 and unit[2:] and unit[2] >> 7:  # the first of a picture
                    return self._follow(unit, kind)
        except (EndError, LookupError):
            pass
        self._there = None
        return False

    def _follow(self, unit: bytes, kind: int) -> bool:
        """Read the head of a picture's first slice, 7.3.6.1, as far as it says what is to be there."""
        bits = Bits(unit[2 : 2 + HEAD])
        bits.take(2 if kind in ALONE else 1)
        name, shown, more = self._pictures[bits.unsigned()]
        sequence = self._sequences[name]
        bits.take(more)
        bits.unsigned()
        bits.take(shown + 2 * sequence.planes)
        begins = kind in BEGINS or (kind in ALONE and self._there is None)
        if kind in ALONE:
            self._skipping = begins and kind not in IDR
        there = set() if begins else self._there
        if there is None or (kind in SKIPPED and self._skipping):
            return False
        number, wanted = 0, list[tuple[set[int], bool]]()
        if kind not in IDR:
            number = self._number(bits.take(sequence.bits), sequence.bits, begins=begins)
            wanted = [({number + difference} & there, used) for difference, used in _near(bits, sequence)]
            wanted += _kept(bits, sequence, number, there)
        if kind not in LEADING and (kind > 15 or kind % 2) and unit[1] & 7 == 1:
            self._last = number
        self._there = {number}.union(*(found for found, _ in wanted))
        return not begins and any(used and not found for found, used in wanted)

    def _number(self, low: int, bits: int, *, begins: bool) -> int:
        """Return a picture's whole number, 8.3.1, of which the lower bits are sent."""
        if begins:
            return low
        half = 1 << bits - 1
        return self._last + (low - self._last + half) % (2 * half) - half


def _near(bits: Bits, sequence: Sequence) -> Set:
    count = len(sequence.sets)
    if not bits.take(1):
        return set_of(bits, sequence.sets, count, count)
    return sequence.sets[bits.take((count - 1).bit_length())]


def _kept(bits: Bits, sequence: Sequence, number: int, there: set[int]) -> list[tuple[set[int], bool]]:
    """Return those that are kept for long, of which a part of the number is sent, or all, and which are referred to."""
    if sequence.kept is None:
        return []
    known, whole = len(sequence.kept), 1 << sequence.bits
    named = bits.unsigned() if known else 0
    found, cycles = list[tuple[set[int], bool]](), 0
    for place in range(min(named + bits.unsigned(), 2 * MOST)):
        if place < named:
            low, used = sequence.kept[bits.take((known - 1).bit_length())]
        else:
            low, used = bits.take(sequence.bits), bool(bits.take(1))
        cycles = 0 if place in (0, named) else cycles
        if bits.take(1):
            cycles += bits.unsigned()
            found.append(({number - number % whole + low - cycles * whole} & there, used))
        else:
            found.append(({one for one in there if one % whole == low}, used))
    return found
