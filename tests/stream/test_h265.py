"""Missing pictures of H.265 are seen by the numbers of those that are left, and no bytes are too odd to look at."""

from __future__ import annotations

import random
from contextlib import closing, suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes.clips import is_whole, number_in
from tests.fakes.h265 import ALONE, Packet, decoded, encoded, rewritten, units_of, write_clip
from yolorknn.stream.sources.h265 import References
from yolorknn.stream.sources.pyav import PyAvStream
from yolorknn.stream.sources.source import LostError

pytest.importorskip("av", reason="PyAV is not installed")

CAMERA = "keyint=12:min-keyint=12:bframes=0:ref=1"
STREAMS = {
    "camera": CAMERA,
    "several": "keyint=12:min-keyint=12:bframes=0:ref=3:slices=2:scaling-list=default",
    "both ways": "keyint=12:min-keyint=12:bframes=3:b-pyramid=1:ref=3:open-gop=0",
    "open": "keyint=10:min-keyint=10:bframes=3:b-adapt=0:ref=3:open-gop=1",
    "layers": "keyint=16:min-keyint=16:bframes=3:temporal-layers=2:open-gop=0",
    "short numbers": "keyint=60:bframes=3:log2-max-poc-lsb=4:ref=2",
}
START = b"\0\0\0\1"


def stream_of(name: str) -> tuple[Packet, ...]:
    if name == "sets":
        return rewritten(encoded(STREAMS["both ways"]))
    if name == "kept":
        return rewritten(encoded("keyint=40:bframes=0:ref=1:temporal-mvp=0:log2-max-poc-lsb=4"), kept=True)
    return encoded(STREAMS[name])


def seen(packets: list[Packet] | tuple[Packet, ...]) -> list[bool]:
    references = References(None)
    return [references.is_missing(packet.data) for packet in packets]


@pytest.mark.parametrize("name", [*STREAMS, "sets", "kept"])
def test_what_is_missing_is_seen_before_it_shows(name: str) -> None:
    """None in a whole stream, twice around; and else the first picture that FFmpeg leaves out, or gives damaged."""
    packets, losses = stream_of(name), 0
    whole = decoded(packets)
    assert not any(seen(packets * 2)) and len(whole) == len(packets) and all(map(is_whole, whole.values()))
    for left_out in range(1, len(packets) - 1, 2):
        rest = [*packets[:left_out], *packets[left_out + 1 :]]
        found = decoded(rest)
        good = [packet.pts in found and (found[packet.pts] == whole[packet.pts]).all() for packet in rest]
        missing = seen(rest)
        assert not any(one and sound for one, sound in zip(missing, good, strict=True))
        if not all(good):
            losses += 1
            assert missing.index(True) == good.index(False)
    assert losses > 4


def test_pictures_before_the_first_that_stands_alone_are_none() -> None:
    """Who joins at an open group has pictures that refer to what was before, which the decoder leaves out."""
    packets = stream_of("open")
    (begin, *_) = [number for number, packet in enumerate(packets) if 21 in packet.kinds]
    assert {8, 9} & {kind for packet in packets[begin:] for kind in packet.kinds}
    assert not any(seen(packets[begin:])) and any(seen([packets[0], *packets[begin:]]))
    assert not any(seen(packets[1:begin]))


def test_parameters_known_beforehand_are_enough() -> None:
    """A camera may send them in its description alone."""
    packets = encoded(CAMERA)
    parameters = b"".join(START + unit for unit in units_of(packets[0].data) if unit[0] >> 1 & 63 > 31)
    bare = [b"".join(START + unit for unit in units_of(one.data) if unit[0] >> 1 & 63 < 32) for one in packets]
    references, without = References(parameters), References(None)
    assert [references.is_missing(packet) for packet in (*bare[:5], *bare[7:9])] == [False] * 5 + [True] * 2
    assert not any(without.is_missing(packet) for packet in (*bare[:5], *bare[7:9]))


def test_a_packet_that_cannot_be_read_ends_what_is_known_until_the_next_that_stands_alone() -> None:
    packets = encoded(CAMERA)
    odd = Packet(packets[3].data[:7], 3)
    assert not any(seen([*packets[:3], odd, *packets[7:12]]))
    assert seen([*packets[:3], odd, *packets[7:14], *packets[15:17]])[-2:] == [True, True]


@pytest.mark.parametrize("name", ["camera", "both ways", "open"])
@pytest.mark.parametrize("left_out", [5, 6, None])
def test_no_damaged_picture_is_given_and_all_from_the_next_that_stands_alone(
    name: str, left_out: int | None, tmp_path: Path
) -> None:
    """Also where pictures come out later than they go in: one that stood alone before the loss mends nothing."""
    packets = stream_of(name)
    rest = [packet for number, packet in enumerate(packets) if number != left_out]
    write_clip(tmp_path / "clip.ts", rest)
    reader, images = PyAvStream(str(tmp_path / "clip.ts")), []
    with closing(reader), suppress(LostError):
        while (frame := reader.read()) is not None:
            images.append(frame.image)
    numbers = [number_in(image) for image in images]
    assert all(map(is_whole, images)) and numbers == sorted(numbers)
    if left_out is None:
        assert numbers == [*range(len(packets))] and not reader.unfit.total()
    else:
        alone = next(packet.pts for packet in rest[left_out:] if packet.kinds[-1] in ALONE)
        assert [number for number in numbers if number >= alone] == [*range(alone, len(packets))]
        lost = len(rest) - len(numbers)
        assert 3 <= lost <= reader.unfit["corrupt"] <= lost + 3  # those under way are counted as they go in


@given(st.binary(max_size=400), st.binary(max_size=400))
@settings(max_examples=150, deadline=None)
def test_no_bytes_are_too_odd(extradata: bytes, packet: bytes) -> None:
    references = References(extradata)
    for given_bytes in (packet, *(START + kind + packet for kind in (b"", b"\x42\1", b"\x44\1", b"\x02\1", b"\x28\1"))):
        assert references.is_missing(given_bytes) in (True, False)


def test_a_stream_with_bits_turned_is_only_looked_at() -> None:
    chance, whole = random.Random(1), [*encoded(CAMERA)[:6], *stream_of("sets")[:6]]
    for _ in range(100):
        references = References(None)
        for packet in whole:
            data = bytearray(packet.data)
            for _ in range(4):
                data[chance.randrange(min(len(data), 120))] ^= 1 << chance.randrange(8)
            references.is_missing(bytes(data))
