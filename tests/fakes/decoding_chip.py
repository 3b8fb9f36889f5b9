"""What tests of a chip's decoder share: a camera, the only ffmpeg there is, and the pictures' numbers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.clips import encoded, is_whole, number_in
from tests.fakes.ffmpeg import write_ffmpeg
from tests.fakes.rtsp import RtspCamera
from yolorknn import progress
from yolorknn.stream.sources import ffmpeg_program, hardware
from yolorknn.stream.sources.ffmpeg_program import ffmpeg_with
from yolorknn.stream.sources.pyav import PyAvStream
from yolorknn.stream.sources.source import SilentError


@pytest.fixture(autouse=True)
def nothing_known(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No way was tried yet."""
    monkeypatch.setattr(hardware, "_failures", {})
    progress._tell.cache_clear()
    monkeypatch.setattr(hardware, "TRIAL", 5.0)
    ffmpeg_with.cache_clear()
    yield
    ffmpeg_with.cache_clear()


@pytest.fixture
def camera() -> Iterator[RtspCamera]:
    with RtspCamera(encoded(fps=50)) as camera:
        yield camera


@pytest.fixture
def ffmpeg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only ffmpeg there is."""
    program = write_ffmpeg(tmp_path)
    monkeypatch.setattr(ffmpeg_program, "PLACES", (str(program),))
    return program


def numbers(stream: PyAvStream, count: int) -> list[int]:
    got: list[int] = []
    while len(got) < count:
        try:
            frame = stream.read()
        except SilentError:
            continue
        assert frame is not None and is_whole(frame.image)
        got.append(number_in(frame.image))
    return got
