"""Missing pictures of H.264 are seen by their numbers, and no bytes are too odd to look at."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes.clips import Clip, encoded
from yolorknn.stream.sources.h264 import References

START = b"\0\0\0\1"


def packets(clip: Clip) -> list[bytes]:
    return [b"".join(START + unit for unit in units) for units in clip.units]


@pytest.fixture(scope="module")
def clip() -> Clip:
    return encoded(fps=100)


def test_none_is_missing_of_a_whole_stream(clip: Clip) -> None:
    """Twice around, so that numbers begin anew."""
    references = References(None)
    assert not any(references.is_missing(packet) for packet in packets(clip) * 2)


def test_each_missing_picture_is_seen_at_the_next(clip: Clip) -> None:
    """But for a last one before a picture that stands alone, which nothing refers to."""
    whole = packets(clip)
    for left_out in range(1, len(whole) - 1):
        references = References(START + clip.parameters[0] + START + clip.parameters[1])
        seen = [references.is_missing(packet) for packet in whole[:left_out] + whole[left_out + 1 :]]
        alone = (left_out + 1) % 25 == 0
        assert seen.index(True) == left_out if not alone else True not in seen


def test_parameters_known_beforehand_are_enough(clip: Clip) -> None:
    """A camera may send them in its description alone."""
    parameters = START + clip.parameters[0] + START + clip.parameters[1]
    bare = [b"".join(START + unit for unit in units if unit[0] & 31 in (1, 5)) for units in clip.units]
    references = References(parameters)
    assert [references.is_missing(packet) for packet in (*bare[:5], *bare[7:9])] == [False] * 5 + [True, False]
    without = References(None)
    assert not any(without.is_missing(packet) for packet in bare[:5] + bare[7:9])


@given(st.binary(max_size=400), st.binary(max_size=400))
@settings(max_examples=150, deadline=None)
def test_no_bytes_are_too_odd(extradata: bytes, packet: bytes) -> None:
    references = References(extradata)
    for given_bytes in (packet, START + packet, START + b"\x67" + packet, START + b"\x41" + packet):
        assert references.is_missing(given_bytes) in (True, False)


def test_a_stream_with_bits_turned_is_only_looked_at(clip: Clip) -> None:
    chance, whole = random.Random(1), packets(clip)
    for _ in range(200):
        references = References(None)
        for packet in whole[:6]:
            data = bytearray(packet)
            for _ in range(4):
                data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
            references.is_missing(bytes(data))
