"""What an H.265 stream says of pictures that others refer to: sequence parameters and reference picture sets."""

from __future__ import annotations

from dataclasses import dataclass

from yolorknn.stream.sources.nal import Bits, EndError

MOST = 16
"""Pictures that any set has."""

Set = list[tuple[int, bool]]
"""Differences of numbers, and whether the picture itself refers to that one."""


@dataclass(frozen=True)
class Sequence:
    """What a sequence parameter set (SPS) says."""

    bits: int
    """Of the part of a number that is sent."""
    planes: bool
    """Whether colours are coded apart."""
    sets: list[Set]
    """That a picture may name."""
    kept: list[tuple[int, bool]] | None
    """Of pictures that are kept for long, what is sent of their numbers; None where there are none."""


def sequence_of(unit: bytes) -> tuple[int, Sequence]:
    """Read an SPS, 7.3.2.2, as far as it says what pictures refer to."""
    bits = Bits(unit[2:])
    bits.take(4)
    layers = bits.take(3)
    bits.take(1)
    _pass_profile(bits, layers)
    name = bits.unsigned()
    planes = bits.unsigned() == 3 and bool(bits.take(1))
    bits.unsigned(), bits.unsigned()
    if bits.take(1):
        for _ in range(4):
            bits.unsigned()
    bits.unsigned(), bits.unsigned()
    width = bits.unsigned() + 4
    for _ in range(layers + 1 if bits.take(1) else 1):
        bits.unsigned(), bits.unsigned(), bits.unsigned()
    for _ in range(6):
        bits.unsigned()
    if bits.take(1) and bits.take(1):
        _pass_scaling_lists(bits)
    bits.take(2)
    if bits.take(1):
        bits.take(8)
        bits.unsigned(), bits.unsigned()
        bits.take(1)
    count = bits.unsigned()
    if width > 16 or count > 64:
        raise EndError
    sets: list[Set] = []
    for number in range(count):
        sets.append(set_of(bits, sets, number, count))
    kept = [(bits.take(width), bool(bits.take(1))) for _ in range(bits.unsigned())] if bits.take(1) else None
    return name, Sequence(width, planes, sets, kept)


def _pass_profile(bits: Bits, layers: int) -> None:
    bits.take(96)
    there = [(bits.take(1), bits.take(1)) for _ in range(layers)]
    bits.take(2 * (8 - layers) if layers else 0)
    for profile, level in there:
        bits.take(88 * profile + 8 * level)


def _pass_scaling_lists(bits: Bits) -> None:
    for size in range(4):
        for _ in range(2 if size == 3 else 6):
            if not bits.take(1):
                bits.unsigned()
                continue
            for _ in range(min(64, 16 << 2 * size) + (size > 1)):
                bits.signed()


def set_of(bits: Bits, sets: list[Set], number: int, count: int) -> Set:
    """Read a short-term reference picture set, 7.3.7; one may be said as another, moved."""
    if number and bits.take(1):
        back = bits.unsigned() + 1 if number == count else 1
        if back > number:
            raise EndError
        sign = bits.take(1)
        moved = (1 - 2 * sign) * (bits.unsigned() + 1)
        found: Set = []
        for difference, _ in [*sets[number - back], (0, True)]:
            used = bool(bits.take(1))
            if used or bits.take(1):
                found.append((difference + moved, used))
        return sorted((entry for entry in found if entry[0] < 0), reverse=True) + sorted(
            entry for entry in found if entry[0] > 0
        )
    before, after = bits.unsigned(), bits.unsigned()
    if max(before, after) > MOST:
        raise EndError
    found = []
    for many, sign in ((before, -1), (after, 1)):
        difference = 0
        for _ in range(many):
            difference += sign * (bits.unsigned() + 1)
            found.append((difference, bool(bits.take(1))))
    return found
