"""Videos that end before the length that they say they have."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.fakes.videos import quarters, write_video
from tests.stream.test_sources import read_all
from yolorknn.stream.sources import capture


@pytest.mark.parametrize(("begins", "share", "said"), [(0, 1, ""), (900, 1, ""), (0, 0.6, "of the 5.9 seconds")])
def test_a_video_that_is_cut_off_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, begins: int, share: float, said: str
) -> None:
    """Its end looks like any; one that counts from the beginning of a longer one is whole."""
    noise = np.random.default_rng(0).integers(0, 256, (60, 48, 64, 3), np.uint8)
    path = write_video(tmp_path / "v.mkv", list(noise), [begins + n / 10 for n in range(60)])
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    assert len(read_all(path)) == 60 if share == 1 else 20 < len(read_all(path)) < 40
    assert said in caplog.text and ("it may be cut off" in caplog.text) is bool(said)


def test_a_large_video_that_is_cut_off_is_not_read_once_more(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_video(tmp_path / "v.mkv", [quarters(48, 64)] * 60, [n / 10 for n in range(60)])
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    monkeypatch.setattr(capture, "LARGE", 0)
    monkeypatch.setattr(capture, "count_frames", None)
    read_all(path)
    assert "it may be cut off" in caplog.text
