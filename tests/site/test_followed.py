"""What is remembered of the cameras of a site that are followed."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from tests.fakes.watched import WATCHED
from tests.site.conftest import Rig
from yolorknn.site import followed
from yolorknn.site.followed import Followed
from yolorknn.site.read import read_site


def test_a_video_begins_without_what_its_last_run_counted(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counts of a camera go on; those of a file would grow by the same objects each time."""
    remembered: list[Path | None] = []

    def tracking(*_: Any, memory: Path | None, **__: Any) -> Mock:
        remembered.append(memory)
        return Mock(zones=())

    monkeypatch.setattr(followed, "Tracking", tracking)
    (rig.folder / "clip.mp4").write_bytes(b"x")
    (rig.folder / "door.source").write_text("rtsp://127.0.0.1/live\n")
    sources = ("clip.mp4", "camera63", "rtsp://127.0.0.1/live", "@door.source")
    cameras = [f'[cameras.c{number}]\nsource = "{source}"\n' for number, source in enumerate(sources)]
    site = read_site(rig.write("".join(cameras) + "[track]\n"))
    Followed(rig.told.append).fit(site, site.cameras, WATCHED)
    state = rig.folder / "state"
    assert remembered == [None, *(state / f"tracking-c{number}.json" for number in (1, 2, 3))]
