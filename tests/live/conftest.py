"""What the tests of cameras share: three that serve, and no thread is left behind."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fakes.clips import encoded
from tests.fakes.rtsp import RtspCamera
from tests.stream.conftest import no_thread_is_left

__all__ = ["no_thread_is_left"]


@pytest.fixture
def cameras() -> Iterator[list[RtspCamera]]:
    pytest.importorskip("av", reason="PyAV is not installed")
    made = [RtspCamera(encoded(fps=50)) for _ in range(3)]
    yield made
    for camera in made:
        camera.close()
