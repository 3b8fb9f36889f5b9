"""Whether a picture that H.264 refers to is missing.

A camera that cannot send fast enough drops whole pictures. FFmpeg's decoder then takes others in their place, and tells
nothing of it; but pictures that others refer to are numbered (frame_num, 7.4.3 of the standard).
"""

from __future__ import annotations

from dataclasses import dataclass

from yolorknn.stream.sources.nal import HEAD, Bits, EndError, units_of

_WITH_CHROMA = (100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135)
"""Profiles whose parameters say the chroma format and scaling lists."""


@dataclass(frozen=True)
class _Parameters:
    """What a sequence parameter set (SPS) says of numbers."""

    bits: int
    """Of a frame_num."""
    gaps: bool
    """Whether numbers may be left out, as streams in temporal layers do."""
    planes: bool
    """Whether colours are coded apart."""


def _parameters(unit: bytes) -> _Parameters:
    bits = Bits(unit[1 : 1 + 8 * HEAD])
    profile = bits.take(8)
    bits.take(16)
    bits.unsigned()
    planes = False
    if profile in _WITH_CHROMA:
        chroma = bits.unsigned()
        planes = chroma == 3 and bool(bits.take(1))
        bits.unsigned(), bits.unsigned()
        bits.take(1)
        if bits.take(1):
            for number in range(12 if chroma == 3 else 8):
                if bits.take(1):
                    _pass_scaling_list(bits, 16 if number < 6 else 64)
    width = bits.unsigned() + 4
    order = bits.unsigned()
    if order == 0:
        bits.unsigned()
    elif order == 1:
        bits.take(1)
        bits.signed(), bits.signed()
        for _ in range(min(bits.unsigned(), 255)):
            bits.signed()
    bits.unsigned()
    if width > 16:
        raise EndError
    return _Parameters(width, bool(bits.take(1)), planes)


def _pass_scaling_list(bits: Bits, size: int) -> None:
    last = following = 8
    for _ in range(size):
        if following:
            following = (last + bits.signed()) % 256
        last = following or last


class References:
    """Follows the numbers of a stream's pictures, packet by packet."""

    def __init__(self, extradata: bytes | None) -> None:
        """Begin with what was said of the stream beforehand, all in Annex B's form."""
        self._parameters: _Parameters | None = None
        self._last: int | None = None
        if extradata:
            self.is_missing(extradata)

    def is_missing(self, packet: bytes) -> bool:
        """Tell whether a picture is missing before this packet's; what cannot be read is left to the decoder."""
        for unit in units_of(packet):
            try:
                kind = unit[0] & 31
                if kind == 7:
                    self._parameters = _parameters(unit)
                elif kind == 5:
                    self._last = 0
                    return False
                elif kind == 1 and self._parameters is not None:
                    return self._follow(unit, self._parameters)
            except EndError:
                return False
        return False

    def _follow(self, unit: bytes, parameters: _Parameters) -> bool:
        bits = Bits(unit[1 : 1 + HEAD])
        bits.unsigned(), bits.unsigned(), bits.unsigned()
        if parameters.planes:
            bits.take(2)
        number, last = bits.take(parameters.bits), self._last
        if unit[0] >> 5 & 3:  # others refer to it
            self._last = number
        return not parameters.gaps and last is not None and number not in (last, (last + 1) % (1 << parameters.bits))
