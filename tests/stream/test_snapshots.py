"""Snapshots and crops: what is in them, how many there are, and that they stay within their quota."""

from __future__ import annotations

import errno
from contextlib import closing
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes.results import NAMES, detections, result
from yolorknn import Classification, draw
from yolorknn.errors import OutputError
from yolorknn.image import read_image
from yolorknn.stream.sinks.queued import Queued
from yolorknn.stream.sinks.seldom import Seldom
from yolorknn.stream.sinks.snapshots import Snapshots


@pytest.fixture
def no_thread_is_left() -> None:
    """Looking for them takes longer than the tests, of which one begins and joins one."""


NOON = 1764158400.0  # 2025-11-26 12:00 UTC


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


def test_a_snapshot_is_the_frame_with_boxes(tmp_path: Path) -> None:
    with closing(Snapshots(tmp_path, name="camera0", names=NAMES)) as sink:
        sink.write(result(grey=100, timestamp=NOON))
        sink.write(result(found=detections(), timestamp=NOON + 1))
    assert names(tmp_path) == ["camera0-000001-20251126T120000Z.jpg"]
    drawn = draw(np.full((60, 80, 3), 100, np.uint8), result().detections, NAMES)
    kept = read_image(tmp_path / names(tmp_path)[0])
    assert np.abs(kept.astype(int) - drawn).mean() < 4


def test_a_crop_is_what_is_in_the_box(tmp_path: Path) -> None:
    given_result = result(
        found=detections(((10.6, 20.4, 30.2, 40.0), 0.9, 1), ((-5, -5, 8, 8), 0.5, 2)), timestamp=NOON
    )
    given_result.frame[20:40, 10:31] = (0, 0, 200)
    with closing(Snapshots(tmp_path, name="camera0", names=NAMES, what="crops")) as sink:
        sink.write(given_result)
    first, second = names(tmp_path)
    assert first == "camera0-000001-20251126T120000Z-traffic-light.jpg" and second.endswith("-日本.jpg")
    crop = cv2.imread(str(tmp_path / first))
    assert crop is not None and crop.shape == (20, 21, 3) and np.abs(crop.astype(int) - (0, 0, 200)).max() < 6
    assert read_image(tmp_path / second).shape == (8, 8, 3)


def test_the_most_confident_are_cropped_and_no_class_of_a_whole_image(tmp_path: Path) -> None:
    many = detections(*[((n, 0, n + 5, 5), 0.9 - n / 100, 0) for n in range(20)], ((90, 70, 95, 75), 0.1, 0))
    with closing(Snapshots(tmp_path, name="camera0", names=NAMES, what="crops", most=3)) as sink:
        sink.write(result(found=many))
        sink.write(result(found=Classification(np.arange(3), np.array([0.5, 0.3, 0.2], np.float32))))
    assert len(names(tmp_path)) == 3


def test_the_oldest_go(tmp_path: Path) -> None:
    sink = Snapshots(tmp_path, name="camera0", names=NAMES, quota=12_000)
    for number in range(60):
        sink.write(result(number, grey=number))
        assert sum((tmp_path / name).stat().st_size for name in names(tmp_path)) <= 12_000
    sink.close()
    (tmp_path / "camera0-000061-19700101T000001Z.part.jpg").write_bytes(b"half")
    Snapshots(tmp_path, name="camera0", names=NAMES).close()
    assert 5 < len(names(tmp_path)) < 60 and names(tmp_path)[-1].startswith("camera0-000060-")


def test_files_of_a_camera_whose_name_begins_alike_are_not_its_own(tmp_path: Path) -> None:
    with closing(Snapshots(tmp_path, name="yard-123456", names=NAMES)) as other:
        other.write(result(timestamp=NOON))
        with closing(Snapshots(tmp_path, name="yard", names=NAMES, quota=1)) as sink:
            sink.write(result(timestamp=NOON))
    assert names(tmp_path) == ["yard-123456-000001-20251126T120000Z.jpg"]


def test_crops_of_a_class_with_a_dot_in_its_name_are_counted_by_the_next_run(tmp_path: Path) -> None:
    for second, quota in enumerate((1 << 20, 1)):
        with closing(Snapshots(tmp_path, name="yard", names={1: "St. Bernard"}, what="crops", quota=quota)) as sink:
            sink.write(result(found=detections(((0, 0, 9, 9), 0.9, 1)), timestamp=NOON + second))
    assert not names(tmp_path)


def test_a_picture_that_cannot_be_written(tmp_path: Path) -> None:
    sink = Snapshots(tmp_path / "new", name="camera0", names=NAMES)
    for path in (tmp_path / "new").iterdir():
        path.unlink()
    (tmp_path / "new").rmdir()
    with pytest.raises(OutputError, match=r"cannot write .*\.jpg: No such file"):
        sink.write(result())
    sink.close()


@given(st.lists(st.floats(0, 3), max_size=80), st.floats(0.1, 10), st.integers(1, 5))
@settings(max_examples=60, deadline=None)
def test_no_interval_has_more_than_so_many(steps: list[float], interval: float, most: int) -> None:
    """And none is left out that could be taken: brute force over all that were."""
    seldom, taken, now = Seldom(interval, most=most), list[float](), 0.0
    for step in steps:
        now += step
        recent = [moment for moment in taken if now - moment < interval]
        if seldom(result(timestamp=now, clock="video")):
            taken.append(now)
            assert len(recent) < most
        else:
            assert len(recent) >= most


def test_what_is_empty_is_not_wanted_and_takes_nothing() -> None:
    seldom = Seldom(10)
    assert not seldom(result(found=detections(), timestamp=0, clock="video"))
    assert seldom(result(timestamp=0, clock="video")) and not seldom(result(timestamp=9, clock="video"))
    assert seldom(result(timestamp=1, clock="video")), "another video"


def test_a_set_clock_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("yolorknn.stream.sinks.seldom.time.monotonic", lambda: now[0])
    seldom = Seldom(10)
    assert seldom(result(timestamp=NOON)) and not seldom(result(timestamp=NOON + 1e6))
    now[0] += 10
    assert seldom(result(timestamp=NOON - 1e6))


def test_a_camera_in_which_there_is_always_something_holds_up_no_other() -> None:
    """As a webhook of a site takes the results of all."""
    seldom = Seldom(10)
    wanted = {camera: [
        moment for moment in range(100) if seldom(result(timestamp=moment, clock="video", camera=camera))
    ] for camera in ("street", "door")}  # fmt: skip
    assert wanted["street"] == wanted["door"] == list(range(0, 100, 10))
    seldom = Seldom(10)
    both = [
        (camera, moment) for moment in range(20) for camera in ("street", "door")
        if seldom(result(timestamp=moment + (camera == "door") / 2, clock="video", camera=camera))
    ]  # fmt: skip
    assert both == [("street", 0), ("door", 0), ("street", 10), ("door", 10)]


def test_behind_a_queue_it_is_asked_before(tmp_path: Path) -> None:
    """So that frames that are not wanted push none out that is."""
    sink = Queued(
        lambda: Snapshots(tmp_path, name="camera0", names=NAMES), name="snapshots", most=2, wanted=Seldom(3600)
    )
    for number in range(50):
        sink.write(result(number))
    sink.close()
    assert len(names(tmp_path)) == 1 and sink.state.lost == 0


@pytest.mark.parametrize(("interval", "most"), [(-1, 1), (float("nan"), 1), (1, 0)])
def test_a_seldom_that_wants_nothing_is_refused(interval: float, most: int) -> None:
    with pytest.raises(ValueError, match="at least 1 result"):
        Seldom(interval, most=most)


def test_on_a_full_disk_the_oldest_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = Path.write_bytes

    def writing(path: Path, data: bytes) -> int:
        if len(list(tmp_path.glob("*.jpg"))) >= 5:
            write(path, data[:10])
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(path, data)

    monkeypatch.setattr(Path, "write_bytes", writing)
    refused = 0
    with closing(Snapshots(tmp_path, name="camera0", names=NAMES)) as sink:
        for number in range(12):
            try:
                sink.write(result(number))
            except OutputError:
                refused += 1
    kept = sorted(path.name[:14] for path in tmp_path.glob("*.jpg"))
    assert kept[-1] >= "camera0-000011" and len(kept) >= 4 and refused <= 6
