"""Network cameras read by PyAV: what is damaged, late or no video is told, and never given as a picture."""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from tests.fakes import rtsp
from tests.fakes.clips import encoded, is_whole, number_in, write_packets
from tests.fakes.h265 import encoded as h265_encoded
from tests.fakes.rtsp import RtspCamera
from yolorknn import progress
from yolorknn.stream.sources import h264, h265
from yolorknn.stream.sources.open_live import open_live
from yolorknn.stream.sources.open_source import open_source
from yolorknn.stream.sources.pyav import PyAvStream
from yolorknn.stream.sources.source import Frame, LostError, SilentError

pytest.importorskip("av", reason="PyAV is not installed")


@pytest.fixture
def camera() -> Iterator[RtspCamera]:
    """A quick one: four pictures a second stand alone."""
    with RtspCamera(encoded(fps=100)) as camera:
        yield camera


@pytest.fixture
def stream(camera: RtspCamera) -> Iterator[PyAvStream]:
    opened = PyAvStream(camera.url, patience=0.7)
    yield opened
    opened.close()


def frames(stream: PyAvStream, count: int) -> list[Frame]:
    return [frame for _ in range(count) if (frame := stream.read())]


def leave_out(stream: PyAvStream, count: int) -> None:
    """Read on until so many were left out: a busy machine reads behind, and what follows may be late too."""
    for frame in itertools.islice(iter(stream.read, None), 500):
        if stream.unfit["corrupt"] + stream.unfit["late"] >= count:
            return
        assert is_whole(frame.image)
    pytest.fail(f"of 500 frames only these were left out: {stream.unfit}")


def test_frames_come_in_order_and_whole_over_tcp(camera: RtspCamera, stream: PyAvStream) -> None:
    got = frames(stream, 30)
    numbers = [number_in(frame.image) for frame in got]
    assert all(is_whole(frame.image) for frame in got)
    assert [(after - before) % 50 for before, after in itertools.pairwise(numbers)] == [1] * 29
    assert all("RTP/AVP/TCP" in transport for transport in camera.transports)
    assert got[0].image.shape == (256, 320, 3) and got[0].source == camera.url


def test_arrival_is_told_on_both_clocks(stream: PyAvStream) -> None:
    for frame in frames(stream, 5):
        assert frame.clock == "unix" and 0 <= time.monotonic() - frame.arrived < 30
        assert frame.timestamp - time.time() == pytest.approx(frame.arrived - time.monotonic(), abs=0.05)


@pytest.mark.parametrize("filled", [None, b"\xff"])
def test_damaged_pictures_are_counted_and_never_given(
    camera: RtspCamera, stream: PyAvStream, filled: bytes | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Most CAVLC with ones from a third on is a picture to the decoder, with something left behind its end."""
    if filled:
        monkeypatch.setattr(rtsp, "_damaged", lambda unit: unit[: len(unit) // 3] + filled * (2 * len(unit) // 3))
    for _ in range(2):
        frames(stream, 10)
        camera.corrupting = 3
        assert all(is_whole(frame.image) for frame in frames(stream, 40))
    leave_out(stream, 6)


def test_pictures_with_bits_behind_their_end_are_read_by_the_next_connection(camera: RtspCamera) -> None:
    clip = encoded(fps=100)
    padded = [tuple(unit + b"\x55\x80" if unit[0] & 31 in (1, 5) else unit for unit in units) for units in clip.units]
    camera.clip = replace(clip, units=tuple(padded))
    with (
        closing(PyAvStream(camera.url, patience=0.7)) as first,
        pytest.raises(SilentError, match="damaged frames only"),
    ):
        first.read()
    with closing(PyAvStream(camera.url, patience=0.7)) as second:
        assert all(is_whole(frame.image) for frame in frames(second, 20))


def test_after_a_lost_frame_none_is_given_until_one_stands_alone(camera: RtspCamera, stream: PyAvStream) -> None:
    """The decoder says nothing of it, and makes up what the next refer to."""
    for _ in range(2):
        frames(stream, 8)
        camera.skipping = 1
        assert all(is_whole(frame.image) for frame in frames(stream, 30))
    assert stream.unfit["corrupt"] + stream.unfit["late"] >= 2, (
        "on a busy machine what follows is late, and left out too"
    )


@pytest.mark.parametrize("form", ["ts", "mp4"])
@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_numbers_are_followed_where_start_codes_are(
    codec: str, form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In an MP4 there are lengths in their place, and one of 321 bytes reads as the begin of a picture."""
    if codec == "h264":
        packets = [b"".join(b"\0\0\0\1" + unit for unit in units) for units in encoded().units[:5]]
    else:
        packets = [packet.data for packet in h265_encoded("bframes=0:ref=1")[:5]]
    write_packets(tmp_path / f"clip.{form}", codec, [(data, at, at == 0) for at, data in enumerate(packets)])
    references = (h264 if codec == "h264" else h265).References
    looked_at = list[bytes]()

    def is_missing(self: object, packet: bytes) -> bool:
        looked_at.append(packet)
        return False

    monkeypatch.setattr(references, "is_missing", is_missing)
    with closing(PyAvStream(str(tmp_path / f"clip.{form}"))) as stream:
        assert len(frames(stream, 6)) == 5
    assert bool(looked_at) is (form == "ts")


def test_only_damaged_pictures_are_as_none(camera: RtspCamera, stream: PyAvStream) -> None:
    frames(stream, 5)
    camera.corrupting = 1000
    with pytest.raises(SilentError, match="damaged frames only") as told:
        frames(stream, 200)
    assert told.value.reason == "damaged"


def test_times_that_jump_change_nothing(camera: RtspCamera, stream: PyAvStream) -> None:
    frames(stream, 5)
    for seconds in (100, -300):
        camera.jump(seconds)
        for frame in frames(stream, 10):
            assert time.monotonic() - frame.arrived < 5
    assert stream.jumps == 2 and not stream.unfit["late"]


def test_a_rate_that_is_not_true_is_not_relied_on() -> None:
    """It says 25 a second in what it sends, and gives 10: these are measured, and each is given as it comes."""
    with RtspCamera(replace(encoded(fps=25), fps=10)) as camera:
        source = open_live(camera.url)
        begun = time.monotonic()
        got = [frame for _ in range(15) if (frame := source.read())]
        assert time.monotonic() - begun < 3 and all(time.monotonic() - frame.arrived < 3 for frame in got)
        assert source.status().fps == pytest.approx(10, rel=0.3)
        source.close()


def test_another_size_in_the_stream(camera: RtspCamera, stream: PyAvStream) -> None:
    camera.clip = encoded((192, 256), fps=100)
    got = frames(stream, 20)
    while got[-1].image.shape == (256, 320, 3):
        got += frames(stream, 20)
    assert {frame.image.shape for frame in got} == {(256, 320, 3), (192, 256, 3)}
    assert all(is_whole(frame.image) for frame in got)


def test_a_stall_is_told_in_time_and_the_stream_can_be_read_on(camera: RtspCamera, stream: PyAvStream) -> None:
    frames(stream, 5)
    camera.stalled = True
    with pytest.raises(SilentError, match="stopped giving frames") as told:
        frames(stream, 200)
    assert told.value.reason == "silent"
    camera.stalled = False
    assert frames(stream, 3)
    assert camera.opened == 1


@pytest.mark.slow
def test_after_a_pause_none_is_given_until_one_stands_alone(camera: RtspCamera, stream: PyAvStream) -> None:
    """The camera may have dropped exactly so many that numbers go on as if there had been none."""
    for _ in range(3):
        frames(stream, 20)
        camera.stalled = True
        time.sleep(1.25)  # as many pictures as five groups of them
        camera.stalled = False
        assert all(is_whole(frame.image) for frame in frames(stream, 60))


@pytest.mark.parametrize("how", ["fin", "rst"])
def test_a_connection_that_ends_is_a_loss(camera: RtspCamera, stream: PyAvStream, how: str) -> None:
    """PyAV ends its loop without a word."""
    frames(stream, 3)
    camera.cut(how)
    with pytest.raises(LostError) as told:
        frames(stream, 200)
    assert told.value.reason == "ended"


@pytest.mark.parametrize("wanted", [10.0, 2.0])
def test_no_more_frames_than_wanted(camera: RtspCamera, wanted: float) -> None:
    """Below the rate of pictures that stand alone, only those are decoded."""
    stream = PyAvStream(camera.url, fps=wanted, patience=0.2)
    begun, got = time.monotonic(), []
    while time.monotonic() < begun + 1:
        try:
            frame = stream.read()
        except SilentError:
            continue
        assert frame is not None and is_whole(frame.image)
        got.append(frame.arrived)
    stream.close()
    assert 2 <= len(got) <= (got[-1] - begun) * wanted * 1.1 + 1 and stream.unfit["unwanted"] > 10
    assert not stream.unfit["corrupt"]


def test_without_pyav_opencv_reads_and_it_is_said_once(
    camera: RtspCamera, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    progress._tell.cache_clear()
    for _ in range(2):
        source = open_source(camera.url)
        frame = source.read()
        assert frame is not None and frame.image.shape == (256, 320, 3)
        source.close()
    assert caplog.text.count("pip install av") == 1
