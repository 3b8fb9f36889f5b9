"""Recording in segments: true to time, within its quota, and going on after what cannot be written."""

from __future__ import annotations

import errno
import sys
import time
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from tests.fakes.recorded import names, times
from tests.fakes.results import NAMES, result
from tests.fakes.waiting import until
from yolorknn.errors import OutputError
from yolorknn.stream import backoff
from yolorknn.stream.sinks.queued import Queued
from yolorknn.stream.sinks.segments import Segments
from yolorknn.stream.sinks.shelf import Shelf, stamp
from yolorknn.stream.sinks.video import VideoWriter

NOON = 1764158400.0  # 2025-11-26 12:00 UTC


def record(folder: Path, moments: list[float], *, fps: float = 10, **options: object) -> None:
    with closing(Segments(folder, name="camera0", fps=fps, names=NAMES, **options)) as sink:  # type: ignore[arg-type]
        for number, moment in enumerate(moments):
            sink.write(result(number, timestamp=moment))


def test_a_segment_a_minute_at_the_sources_speed(tmp_path: Path, encoder: str) -> None:
    record(tmp_path, [NOON + number / 4 for number in range(520)], fps=4)
    assert names(tmp_path) == [
        f"camera0-000001-20251126T120000Z{encoder}",
        f"camera0-000002-20251126T120100Z{encoder}",
        f"camera0-000003-20251126T120200Z{encoder}",
    ]
    for name, frames in zip(names(tmp_path), (240, 240, 40), strict=True):
        shown = times(tmp_path / name)
        assert shown == pytest.approx([number / 4 for number in range(frames)], abs=0.001)


def test_an_uneven_camera_keeps_its_times(tmp_path: Path) -> None:
    pytest.importorskip("av")
    moments = np.cumsum(np.random.default_rng(0).uniform(0.02, 0.5, 200)) + NOON
    record(tmp_path, list(moments), seconds=20)
    shown = [times(tmp_path / name) for name in names(tmp_path)]
    assert all(part[-1] <= 20 for part in shown) and sum(map(len, shown)) == 200
    ends = np.cumsum([0, *map(len, shown)])
    for part, first, last in zip(shown, ends[:-1], ends[1:], strict=True):
        assert part == pytest.approx(list(moments[first:last] - moments[first]), abs=0.001)


def test_a_gap_a_set_clock_or_another_size_begins_a_segment(tmp_path: Path) -> None:
    moments = [NOON, NOON + 1, NOON + 100, NOON + 101, NOON - 5000, NOON - 4999]
    with closing(Segments(tmp_path, name="camera0", fps=1, names=NAMES)) as sink:
        for number, moment in enumerate(moments):
            sink.write(result(number, timestamp=moment))
        sink.write(result(7, timestamp=NOON - 4998, size=(90, 120)))
    assert [name[:30] for name in names(tmp_path)] == [
        "camera0-000001-20251126T120000",
        "camera0-000002-20251126T120140",
        "camera0-000003-20251126T103640",
        "camera0-000004-20251126T103642",
    ]


def test_names_of_a_videos_segments(tmp_path: Path) -> None:
    with closing(Segments(tmp_path, name="a clip/é", fps=1, names=NAMES, seconds=2)) as sink:
        for number in range(4):
            sink.write(result(number, timestamp=float(number), clock="video"))
    assert [name.rpartition(".")[0] for name in names(tmp_path)] == [
        "a-clip-é-000001-000000s",
        "a-clip-é-000002-000002s",
    ]
    assert stamp(1e30, "unix") == stamp(float("nan"), "unix") == "unknown"


def noise(number: int) -> np.ndarray:
    return np.random.default_rng(number).integers(0, 255, (60, 80, 3)).astype(np.uint8)


def one_segment(folder: Path) -> int:
    """Return the bytes of three seconds, as they are encoded here."""
    with closing(Segments(folder, name="camera0", fps=10, names=NAMES)) as sink:
        for number in range(30):
            given = result(number, timestamp=NOON + number / 10)
            given.frame[:] = noise(number)
            sink.write(given)
    (made,) = folder.glob("camera0-*.m*")
    return made.stat().st_size


def test_the_oldest_go_when_the_quota_is_reached(tmp_path: Path) -> None:
    """With the open one, at any moment; what is not ours stays, and numbers go on in the next run."""
    for name in ("mine.mp4", "camera0-1.mp4", "camera01-000001-x.mp4", "xcamera0-000001-x.mp4", "camera0-000001-x.txt"):
        (tmp_path / name).write_bytes(b"x" * 5_000_000)
    (tmp_path / "camera0-000001-link.mp4").symlink_to(tmp_path / "mine.mp4")
    (tmp_path / "camera0-000002-folder.mp4").mkdir()
    quota = 7 * one_segment(tmp_path / "elsewhere") // 2
    others = names(tmp_path)

    def used() -> int:
        return sum((tmp_path / name).stat().st_size for name in names(tmp_path) if name not in others)

    for run in range(2):
        with closing(Segments(tmp_path, name="camera0", fps=10, names=NAMES, seconds=3, quota=quota)) as sink:
            largest = 0
            for number in range(120):
                given = result(number, timestamp=NOON + 1000 * run + number / 10)
                given.frame[:] = noise(number)
                sink.write(given)
                if number % 10 == 0:
                    largest = max(largest, used())
        assert quota / 2 < largest <= 1.2 * quota, "a second of video may be above it"
        assert used() <= quota
    made = [name for name in names(tmp_path) if name not in others]
    assert set(others) <= set(names(tmp_path)) and made[-1].startswith("camera0-000008-")
    assert [int(name[8:14]) for name in made] == list(range(9 - len(made), 9)), "the newest are there"


def test_a_quota_that_a_segment_does_not_fit_into(tmp_path: Path) -> None:
    """Segments are shorter then, so that the last seconds are always there; the whole of one would be none."""
    pytest.importorskip("av")
    quota = 400_000
    with closing(Segments(tmp_path, name="camera0", fps=10, names=NAMES, quota=quota)) as sink:
        for number in range(250):
            given = result(number, timestamp=NOON + number / 10)
            given.frame[:] = noise(number)
            sink.write(given)
            if number > 50 and number % 10 == 0:
                there = [tmp_path / name for name in names(tmp_path)]
                assert [path for path in there if ".part" not in path.name], "what can be looked at"
                assert sum(path.stat().st_size for path in there) <= 1.2 * quota
    assert sum(len(times(tmp_path / name)) for name in names(tmp_path)) >= 20


def test_what_somebody_removed_by_hand_ends_nothing(tmp_path: Path) -> None:
    with closing(Shelf(tmp_path, "camera0", (".jpg",), quota=1000)) as shelf:
        for number in range(6):
            path = shelf.begin("now", ".jpg")
            path.write_bytes(b"x" * 400)
            done = shelf.finish(path)
            if number == 1:
                done.unlink()
        assert len(names(tmp_path)) == 2


def test_one_process_records_a_camera_into_a_folder(tmp_path: Path) -> None:
    first = Segments(tmp_path, name="camera0", fps=10, names=NAMES)
    with pytest.raises(OutputError, match="another yolorknn writes 'camera0' to "):
        Segments(tmp_path, name="camera0", fps=10, names=NAMES)
    Segments(tmp_path, name="camera1", fps=10, names=NAMES).close()
    first.close()
    Segments(tmp_path, name="camera0", fps=10, names=NAMES).close()
    assert names(tmp_path) == []


def test_without_pyav_it_says_so_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    told: list[str] = []
    record(tmp_path, [NOON + number for number in range(6)], fps=1, seconds=2, told=told.append)
    assert len(names(tmp_path)) == 3 and len(told) == 1 and "for H.264 in .mp4, pip install av" in told[0]


def test_what_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"cannot write .*file"):
        Segments(tmp_path / "file", name="camera0", fps=10, names=NAMES)
    with pytest.raises(ValueError, match="above 0 bytes"):
        Shelf(tmp_path, "camera0", (".mp4",), quota=0)


def test_after_a_full_disk_recording_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind a queue: what was recorded gets its name, and a new segment begins; nothing is written over."""
    pytest.importorskip("av")
    monkeypatch.setattr(backoff, "FIRST", 0.01)
    monkeypatch.setattr(backoff, "LONGEST", 0.02)
    write, full = VideoWriter.write, [False]

    def writing(writer: VideoWriter, image: np.ndarray, timestamp: float | None = None) -> None:
        if full[0]:
            raise OutputError("cannot write it: No space left on device")
        write(writer, image, timestamp)

    monkeypatch.setattr(VideoWriter, "write", writing)
    sink = Queued(
        lambda: Segments(tmp_path, name="camera0", fps=10, names=NAMES), name="recording", told=lambda _: None
    )

    def see(first: int, count: int) -> None:
        for number in range(first, first + count):
            sink.write(result(number, timestamp=NOON + number / 10))
            until(lambda: not sink.state.waiting and not sink.state.busy)

    see(0, 20)
    full[0] = True
    see(20, 20)
    full[0] = False
    see(40, 1)
    time.sleep(0.1)  # longer than it waits before it opens the sink again
    see(41, 20)
    sink.close()
    made = [len(times(tmp_path / name)) for name in names(tmp_path)]
    assert made[0] == 20 and made[-1] >= 19 and not [name for name in names(tmp_path) if ".part" in name]
    assert sum(made) + sink.state.lost >= 61 - 1 and sink.state.error == ""


def test_on_a_disk_that_is_full_before_the_quota_is_the_oldest_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A card of 16 GB and four cameras with 10 GB each: what is new is worth more; and no try leaves an empty file."""
    pytest.importorskip("av")
    monkeypatch.setattr(backoff, "FIRST", 0.01)
    monkeypatch.setattr(backoff, "LONGEST", 0.02)
    write = VideoWriter.write

    def writing(writer: VideoWriter, image: np.ndarray, timestamp: float | None = None) -> None:
        if sum(path.stat().st_size for path in tmp_path.iterdir()) > 300_000:
            raise OutputError("cannot write it") from OSError(errno.ENOSPC, "No space left on device")
        write(writer, image, timestamp)

    monkeypatch.setattr(VideoWriter, "write", writing)
    sink = Queued(
        lambda: Segments(tmp_path, name="camera0", fps=10, names=NAMES, seconds=1), name="recording",
        told=lambda _: None,
    )  # fmt: skip
    for number in range(300):
        given = result(number, timestamp=NOON + number / 10)
        given.frame[:] = noise(number)
        sink.write(given)
        until(lambda: not sink.state.waiting and not sink.state.busy)
        if sink.state.error:
            time.sleep(0.03)
    sink.close()
    made = names(tmp_path)
    assert "T120029Z" in made[-1] and all(times(tmp_path / name) for name in made)
    assert sink.state.lost < 60


def test_a_link_in_the_locks_place_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / ".camera0.lock").symlink_to(tmp_path / "victim")
    with pytest.raises(OutputError):
        Segments(tmp_path, name="camera0", fps=10, names=NAMES)
    assert not (tmp_path / "victim").exists()
