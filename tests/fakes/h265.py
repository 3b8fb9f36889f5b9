"""H.265 as encoders write it, and the same pictures with their references said in the ways that x265 does not use.

What is rewritten is taken apart by FFmpeg's own trace of a stream's headers, and FFmpeg decodes the outcome: so what it
means is not decided by the code that is tested.
"""

from __future__ import annotations

import functools
import io
import random
import re
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from tests.fakes.clips import packets_of, write_packets

SIZE = (64, 192)
SPS, FIRST_OF_OTHERS, IDR, ALONE = 33, 35, (19, 20), range(16, 24)
OF_A_SET = ("short_term_ref_pic_set_", "inter_ref", "num_negative", "num_positive", "delta_poc_s", "used_by")

Set = dict[int, bool]
"""By difference of numbers, whether the picture itself refers to that one."""
Elements = list[tuple[str, str, int]]
"""Name, bits and value of each that FFmpeg traces."""


class Packet(NamedTuple):
    data: bytes
    pts: int

    @property
    def kinds(self) -> list[int]:
        return [unit[0] >> 1 & 63 for unit in units_of(self.data)]


def units_of(data: bytes) -> list[bytes]:
    return re.split(rb"\x00*\x00\x00\x01", data)[1:]


@functools.cache
def encoded(options: str, frames: int = 30) -> tuple[Packet, ...]:
    """Encode the first pictures, in the order in which they are decoded."""
    ours = "log-level=none:repeat-headers=1:pools=1:frame-threads=1:scenecut=0:info=0"
    given = {"preset": "superfast", "x265-params": f"{ours}:{options}"}
    return tuple(Packet(*packet) for packet in packets_of("libx265", given, SIZE, fps=25, frames=frames))


def decoded(packets: Sequence[Packet]) -> dict[int, np.ndarray]:
    """Return all pictures that FFmpeg makes of packets by their times, whatever is missing."""
    av = pytest.importorskip("av")
    context = av.CodecContext.create("hevc", "r")
    context.thread_count = 1
    frames = []
    for one in packets:
        packet = av.Packet(one.data)
        packet.pts, packet.time_base = one.pts, Fraction(1, 25)
        frames += context.decode(packet)
    return {frame.pts: frame.to_ndarray(format="bgr24") for frame in [*frames, *context.decode(None)]}


def write_clip(file: Path, packets: Sequence[Packet]) -> None:
    """Write packets as a file with times, of which the first has the parameters."""
    write_packets(file, "hevc", [(one.data, one.pts, one.kinds[-1] in ALONE) for one in packets])


def _traced(packets: tuple[Packet, ...]) -> list[Elements]:
    """Return what stands in the parameter sets and slice heads, in their order."""
    av = pytest.importorskip("av")
    before = av.logging.get_level()
    av.logging.set_level(av.logging.VERBOSE)
    try:
        with av.logging.Capture() as said:
            opened = av.open(io.BytesIO(b"".join(packet.data for packet in packets)), format="hevc")
            tracer = av.bitstream.BitStreamFilterContext("trace_headers", opened.streams.video[0])
            for packet in opened.demux():
                if packet.size:
                    tracer.filter(packet)
    finally:
        av.logging.set_level(before)
    text = "".join(message for *_, message in said)
    found: list[Elements] = []
    for line in text[text.index("Packet:") :].splitlines():
        if element := re.match(r"\d+ +(\S+) +([01]+) = (-?\d+)$", line):
            found[-1].append((element[1], element[2], int(element[3])))
        elif not line.startswith("Packet"):
            found.append([])
    return found


def _said(elements: Elements) -> Set | None:
    """Return the set of a slice, of which there is none of an IDR."""
    found: Set = {}
    number = 0
    for name, _, value in elements:
        if name == "delta_poc_s1_minus1[0]":
            number = 0
        if name.startswith("delta_poc_s"):
            number += (value + 1) * (-1 if "_s0_" in name else 1)
        elif name.startswith("used_by_curr_pic_s"):
            found[number] = bool(value)
    return found if any(name == "num_negative_pics" for name, *_ in elements) else None


def _code(value: int) -> str:
    digits = f"{value + 1:b}"
    return "0" * (len(digits) - 1) + digits


def _ordered(of: Set) -> list[int]:
    return sorted((one for one in of if one < 0), reverse=True) + sorted(one for one in of if one > 0)


def _explicit(of: Set) -> str:
    before, after = [one for one in _ordered(of) if one < 0], [one for one in _ordered(of) if one > 0]
    bits = _code(len(before)) + _code(len(after))
    for ones in (before, after):
        for one, last in zip(ones, [0, *ones], strict=False):
            bits += _code(abs(one - last) - 1) + str(int(of[one]))
    return bits


def _moved(of: Set, base: Set) -> str | None:
    """Return the bits of a set as another, moved; None where that cannot be."""
    for by in (sign * far for far in range(1, 17) for sign in (-1, 1)):
        if of.keys() <= {one + by for one in (*base, 0)} - {0}:
            uses = [{None: "00", False: "01", True: "1"}[of.get(one + by)] for one in (*_ordered(base), 0)]
            return f"{int(by < 0)}{_code(abs(by) - 1)}{''.join(uses)}"
    return None


def _unit(bits: str, rest: bytes = b"") -> bytes:
    bits += "1"
    bits += "0" * (-len(bits) % 8)
    raw = int(bits, 2).to_bytes(len(bits) // 8, "big") + rest
    return re.sub(rb"\x00\x00(?=[\x00-\x03])", b"\x00\x00\x03", raw)


class _Writer:
    """Writes references anew: as sets of the sequence, as those moved, or as pictures that are kept for long."""

    def __init__(self, sets: list[Set], *, kept: bool) -> None:
        self._chance = random.Random(1)
        self._sets, self._kept = [{}] if kept else sets, kept

    def sequence(self, elements: Elements) -> bytes:
        bits = ""
        for name, own, _ in elements:
            if name.startswith("rbsp"):
                break
            if name == "num_short_term_ref_pic_sets":
                bits += _code(len(self._sets)) + _explicit(self._sets[0])
                for one, before in zip(self._sets[1:], self._sets, strict=False):
                    moved = _moved(one, before)
                    bits += f"0{_explicit(one)}" if moved is None else f"1{moved}"
            elif name == "long_term_ref_pics_present_flag" and self._kept:
                bits += "1" + _code(0)
            else:
                bits += own
        return _unit(bits)

    def slice(self, elements: Elements, unit: bytes) -> bytes:
        bits, told = "", False
        for name, own, value in elements:
            if name == "slice_pic_order_cnt_lsb":
                number, width = value, len(own)
            if name.startswith("alignment"):
                break
            if not name.startswith(OF_A_SET):
                bits += own
            elif not told:
                of, told = _said(elements), True
                assert of is not None
                bits += self._long(of, number, width) if self._kept else self._short(of)
        head = sum(len(own) for _, own, _ in elements) // 8
        return _unit(bits, unit.replace(b"\0\0\3", b"\0\0")[head:])

    def _short(self, of: Set) -> str:
        way, base = self._chance.randrange(3), self._chance.randrange(len(self._sets))
        moved = _moved(of, self._sets[base])
        if way == 1 and moved is not None:
            return f"01{_code(len(self._sets) - base - 1)}{moved}"
        return f"00{_explicit(of)}" if way else f"1{self._sets.index(of):0{(len(self._sets) - 1).bit_length()}b}"

    def _long(self, of: Set, number: int, width: int) -> str:
        bits, before = "1" + _code(len(of)), 0
        for one in of:
            cycle, whole = int(number + one < 0), self._chance.random() < 0.5
            bits += f"{(number + one) % (1 << width):0{width}b}{int(of[one])}{int(whole)}"
            if whole:
                bits += _code(cycle - before)
                before = cycle
        return bits


def rewritten(packets: tuple[Packet, ...], *, kept: bool = False) -> tuple[Packet, ...]:
    """Return the same pictures with references said in other ways.

    Args:
        packets: of encoded().
        kept: as pictures that are kept for long; else as sets of the sequence and as others, moved.
    """
    traced = _traced(packets)
    sets: list[Set] = [{-1: True}, {-1: True, -2: False}, {-2: True, 1: True}]
    for elements in traced:
        if (of := _said(elements)) is not None and of not in sets:
            sets.append(of)
    writer, left, made = _Writer(sets, kept=kept), iter(traced), list[Packet]()
    for packet in packets:
        units = list[bytes]()
        for unit in units_of(packet.data):
            kind = unit[0] >> 1 & 63
            elements = next(left) if kind < FIRST_OF_OTHERS else []
            if kind == SPS:
                unit = writer.sequence(elements)  # noqa: PLW2901
            elif kind < 32 and kind not in IDR:
                unit = writer.slice(elements, unit)  # noqa: PLW2901
            units.append(unit)
        made.append(Packet(b"".join(b"\0\0\0\1" + unit for unit in units), packet.pts))
    return tuple(made)
