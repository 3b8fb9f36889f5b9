"""What is remembered of the cameras of a site that are followed."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from tests.fakes.watched import WATCHED
from tests.site.conftest import Rig
from yolorknn.errors import SiteError
from yolorknn.site import followed
from yolorknn.site.followed import Followed
from yolorknn.site.read import read_site
from yolorknn.tracking.tracking import Tracking


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


def test_of_two_models_one_leaves_a_camera_before_the_other_follows_it(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is remembered of it is one run's alone."""
    held: list[Path] = []

    def tracking(*_: Any, memory: Path, **__: Any) -> Mock:
        assert memory not in held
        held.append(memory)
        return Mock(zones=(), close=lambda: held.remove(memory))

    def write(door: str, yard: str) -> None:
        cameras = f'[cameras.door]\nmodel = "{door}"\nsource = "camera62"\n'
        cameras += f'[cameras.yard]\nmodel = "{yard}"\nsource = "camera63"\n'
        rig.write(f"{cameras}[track]\n", "".join(f'[models.{one}]\nfile = "m.rknn"\n' for one in "ab"))

    monkeypatch.setattr(followed, "Tracking", tracking)
    write("a", "b")
    with rig.keeper() as keeper:
        write("b", "a")
        assert keeper.reload() and not rig.said("are not as the site says")
        assert len(held) == 2 and {part.name: [c.name for c in part.cameras] for part in keeper._parts} == {
            "a": ["yard"],
            "b": ["door"],
        }
    assert not held


def test_objects_of_separate_images_have_no_numbers(rig: Rig) -> None:
    """As `detect` refuses it: nothing in one is where it was in the one before. Of cameras beside them they have."""
    (rig.folder / "images").mkdir()
    (rig.folder / "images/a.jpg").write_bytes(b"")
    zone = '[zones.z]\ncamera = "a"\npolygon = [[0, 0], [1, 0], [1, 1]]\n'
    text = '[cameras.a]\nsource = "images"\n[track]\n' + zone
    site = read_site(rig.write(text))
    (tracking,) = Followed(rig.told.append).fit(site, site.cameras, WATCHED)["a"]
    assert isinstance(tracking, Tracking) and not tracking._track
    line = '[lines.l]\ncamera = "a"\nstart = [0, 0]\nend = [0, 1]\n'
    with pytest.raises(SiteError, match="is in separate images, which do not follow one another"):
        read_site(rig.write(text + line))
