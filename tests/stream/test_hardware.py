"""Decoding by the chip: tried where there is a way to it, compared, and left where it is wrong, with one line."""

from __future__ import annotations

import itertools
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.fakes.decoding_chip import camera, ffmpeg, nothing_known, numbers
from tests.fakes.rtsp import RtspCamera
from yolorknn.errors import SourceError
from yolorknn.stream.sources import ffmpeg_program, hardware
from yolorknn.stream.sources.decoders import Decoder, Picture, Software
from yolorknn.stream.sources.hardware import Trial, apart
from yolorknn.stream.sources.pyav import PyAvStream

pytest.importorskip("av", reason="PyAV is not installed")
pytestmark = pytest.mark.slow
__all__ = ["camera", "ffmpeg", "nothing_known"]


def test_without_a_way_ffmpeg_decodes_and_nothing_is_said(
    camera: RtspCamera, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(ffmpeg_program, "PLACES", ())
    stream = PyAvStream(camera.url)
    assert isinstance(stream._decoder, Software)
    numbers(stream, 3)
    stream.close()
    assert caplog.text == ""


def test_a_child_that_proves_right_decodes(camera: RtspCamera, ffmpeg: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Its pictures are those of FFmpeg, in order; its process ends with the stream."""
    stream = PyAvStream(camera.url, patience=2)
    trial: Any = stream._decoder
    while not trial._alone:
        numbers(stream, 1)
    got = numbers(stream, 30)
    steps = {(after - before) % 50 for before, after in itertools.pairwise(got)}
    assert steps <= {1, 2, 3}
    child = trial._chip._process
    stream.close()
    assert child.poll() is not None
    assert [record.getMessage() for record in caplog.records] == [
        f"h264_rkmpp of {ffmpeg} decodes, its first picture as FFmpeg's"
    ]


@pytest.mark.parametrize(
    ("does", "why"),
    [("green", "gives wrong pictures"), ("mute", "gave no picture in"), ("late", "3 pictures behind"), ("nothing", "")],
)
def test_one_that_is_wrong_is_left(
    camera: RtspCamera, ffmpeg: Path, caplog: pytest.LogCaptureFixture, does: str, why: str
) -> None:
    ffmpeg.with_name("does").write_text(does)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hardware, "KEEPS_UP", 0.5)
        stream = PyAvStream(camera.url, patience=2)
        trial: Any = stream._decoder
        while getattr(trial, "_chip", None) is not None:
            numbers(stream, 1)
    numbers(stream, 5)
    stream.close()
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == bool(why) and all(why in line and "FFmpeg decodes on the CPU" in line for line in lines)


def test_one_that_crashes_is_tried_again_at_the_next_start_and_then_left(
    camera: RtspCamera, ffmpeg: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """While it is tried nothing is lost; when it decoded alone, the stream is, and opened again."""
    ffmpeg.with_name("does").write_text("crash")
    for _ in range(hardware.MOST_FAILURES):
        stream = PyAvStream(camera.url, patience=5)
        trial: Any = stream._decoder
        assert isinstance(trial, Trial)
        with suppress(SourceError):
            while trial._chip is not None:
                numbers(stream, 1)
        stream.close()
    stream = PyAvStream(camera.url)
    assert isinstance(stream._decoder, Software)
    stream.close()
    assert caplog.text.count("mpp: rkvdec timed out") == 1


def test_one_that_crashes_now_and_then_is_tried_again(
    camera: RtspCamera, ffmpeg: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a month any may crash three times, and the CPU cannot do for ever what the chip did."""
    now = [100.0]
    monkeypatch.setattr("yolorknn.stream.sources.hardware.time.monotonic", lambda: now[0])
    for _ in range(hardware.MOST_FAILURES):
        assert hardware.ways("h264")
        hardware._refuse(hardware.ways("h264")[0][0], "failed")
        now[0] += hardware.WITHIN / 4
    assert not hardware.ways("h264")
    now[0] += hardware.WITHIN / 3
    assert hardware.ways("h264")


class Played(Decoder):
    """Gives a picture for each packet, which is its number; one of `keys` stands alone."""

    def __init__(self, keys: set[int]) -> None:
        self.keys = keys

    def decode(self, packet: Any, *, alone: bool) -> list[Picture]:
        image = np.full((90, 160, 3), packet, np.uint8)
        return [Picture(lambda: image, float(packet), packet in self.keys, False)]

    def close(self) -> None:
        """Nothing is held."""


def test_a_camera_whose_first_key_comes_late_is_no_fault_of_the_chips(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some send one in twenty seconds, and begin in the middle."""
    now = [100.0]
    monkeypatch.setattr("yolorknn.stream.sources.hardware.time.monotonic", lambda: now[0])
    monkeypatch.setattr(hardware, "Software", lambda _: Played({20}))
    trial = Trial(None, "h264_rkmpp of x", Played({20}))
    for number in range(25):
        assert [picture.time for picture in trial.decode(number, alone=False)] in ([float(number)], [])
        now[0] += 1.0
    assert trial._alone and not hardware._failures
    monkeypatch.setattr(hardware, "Software", lambda _: Played(set()))
    never = Trial(None, "h264_rkmpp of x", Played(set()))
    for number in range(200):
        never.decode(number, alone=False)
        now[0] += 1.0
    assert never._chip is None and not hardware._failures, "nor is one that sends none, and both do not decode for ever"


def test_a_way_through_pyav(camera: RtspCamera, monkeypatch: pytest.MonkeyPatch) -> None:
    """With FFmpeg's own decoder under the name that pyav-rkmpp has."""
    import av

    monkeypatch.setattr(ffmpeg_program, "PLACES", ())
    monkeypatch.setattr(av, "codecs_available", {*av.codecs_available, "h264_rkmpp"})

    class Context:
        """Knows the chip's name."""

        @staticmethod
        def create(name: str, mode: str) -> Any:
            return av.codec.CodecContext.create(name.replace("_rkmpp", ""), mode)

    monkeypatch.setattr(av, "CodecContext", Context)
    stream = PyAvStream(camera.url, patience=2)
    trial: Any = stream._decoder
    assert isinstance(trial, Trial)
    while not trial._alone:
        numbers(stream, 1)
    numbers(stream, 20)
    stream.close()


def test_a_way_that_cannot_be_opened_is_no_loss(
    camera: RtspCamera, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(_: object) -> Decoder:
        raise OSError("no /dev/mpp_service")

    monkeypatch.setattr(hardware, "ways", lambda _: [("h264_rkmpp of x", refuse)])
    stream = PyAvStream(camera.url, patience=2)
    numbers(stream, 3)
    stream.close()
    assert "h264_rkmpp of x cannot be opened (no /dev/mpp_service): FFmpeg decodes on the CPU" in caplog.text


def test_how_far_apart_pictures_are() -> None:
    """Rounding is no difference; a shifted, green or half-filled picture is."""
    image = np.random.default_rng(1).integers(0, 255, (90, 160, 3), np.uint8)
    near = np.clip(image.astype(int) + 2, 0, 255).astype(np.uint8)
    assert apart(image, near) < hardware.ALIKE
    half = image.copy()
    half[45:] = 0
    green = np.zeros_like(image)
    green[..., 1] = 130
    for other in (half, green, image[:, :150]):
        assert apart(image, other) > hardware.ALIKE
