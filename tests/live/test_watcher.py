"""Watcher: cameras, a model and sinks; each camera fails alone."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import pytest

from tests.fakes.backends import number_detector
from tests.fakes.clips import number_in
from tests.fakes.numbered import numbered_frame
from tests.fakes.rtsp import RtspCamera
from tests.fakes.waiting import until
from tests.fakes.watched import Kept, WholeBackend, by_name, watched_detector
from yolorknn.live.camera import Camera
from yolorknn.live.watcher import Watcher
from yolorknn.stream.result import Result


@pytest.fixture
def backends() -> list[WholeBackend]:
    return [WholeBackend(0.005) for _ in range(2)]


@pytest.fixture
def watching(cameras: list[RtspCamera], backends: list[WholeBackend], tmp_path: Path) -> Iterator[tuple[Watcher, Kept]]:
    sink = Kept()
    named = [Camera(f"cam{number}", camera.url) for number, camera in enumerate(cameras)]
    with (
        watched_detector(tmp_path, backends) as detector,
        Watcher(detector, named, [sink], told=lambda _: None) as watcher,
    ):
        yield watcher, sink


def test_results_say_whose_they_are_and_each_camera_keeps_its_order(watching: tuple[Watcher, Kept]) -> None:
    _, sink = watching
    until(lambda: len(sink.by) == 3 and min(sink.by.values()) > 20)
    for camera in sink.by:
        numbers = [index for name, _, index in list(sink.results) if name == camera]
        assert numbers == sorted(set(numbers))


def test_a_camera_fails_alone_and_comes_back(
    watching: tuple[Watcher, Kept], cameras: list[RtspCamera], backends: list[WholeBackend]
) -> None:
    watcher, sink = watching
    until(lambda: len(sink.by) == 3)
    cameras[1].down("rst")
    until(lambda: not by_name(watcher)["cam1"].up)
    assert by_name(watcher)["cam1"].detect_fps == 0 < by_name(watcher)["cam0"].detect_fps
    before = dict(sink.by)
    until(lambda: all(sink.by[name] > before[name] + 30 for name in ("cam0", "cam2")))
    assert "cam1" in {status.name for status in watcher.status() if status.source.why}
    cameras[1].up()
    until(lambda: by_name(watcher)["cam1"].up)
    until(lambda: ("cam1", 2) in {(camera, epoch) for camera, epoch, _ in sink.results})
    assert {epoch for camera, epoch, _ in sink.results if camera != "cam1"} == {1}
    status = by_name(watcher)["cam1"]
    assert status.source.losses["ended"] == 1 and status.source.epoch == 2
    assert not any(backend.damaged for backend in backends)


def test_what_became_of_every_frame_adds_up(watching: tuple[Watcher, Kept], cameras: list[RtspCamera]) -> None:
    """But for those on their way."""
    watcher, sink = watching
    cameras[0].corrupting = 3
    until(lambda: sum(sink.by.values()) > 150)
    watcher.stop()
    for number, status in enumerate(watcher.status()):
        frames = status.source.frames
        under_way = frames["read"] - frames["dropped"] - status.replaced - status.lost - status.detected
        assert 0 <= under_way <= 9
        assert status.detected == sink.by[status.name]
        assert frames["read"] + frames["corrupt"] <= cameras[number].sent
    assert watcher.status()[0].source.frames["corrupt"] >= 3


def test_frames_that_were_replaced_are_never_told_to_be_fewer(watching: tuple[Watcher, Kept]) -> None:
    """One that a worker had already is counted back; for Prometheus all would have begun anew then."""
    watcher, sink = watching
    until(lambda: len(sink.by) == 3)
    assert watcher._source is not None
    watcher._source.replaced["cam0"] += 1000
    told = by_name(watcher)["cam0"].replaced
    watcher._source.replaced["cam0"] -= 1000
    assert by_name(watcher)["cam0"].replaced >= told >= 1000


def test_absent_at_the_start_the_others_begin(cameras: list[RtspCamera], tmp_path: Path) -> None:
    cameras[0].down()
    sink, told = Kept(), list[str]()
    named = [Camera(f"cam{number}", camera.url) for number, camera in enumerate(cameras)]
    named += [Camera("usb", "camera63"), Camera("kept", f"@{tmp_path}/none")]
    with (
        watched_detector(tmp_path, [WholeBackend()]) as detector,
        Watcher(detector, named, [sink], told=told.append) as w,
    ):
        until(lambda: {"cam1", "cam2"} <= set(sink.by))
        assert by_name(w)["usb"].source.losses["absent"] >= 1
        assert not by_name(w)["kept"].up and "cannot read the source" in by_name(w)["kept"].source.why
        cameras[0].up()
        until(lambda: "cam0" in sink.by)
    assert any("there is no camera /dev/video63" in text for text in told)


@pytest.mark.slow
def test_files_beside_cameras(cameras: list[RtspCamera], tmp_path: Path) -> None:
    """A folder is read to its end, and its share is not more than a camera's."""
    (tmp_path / "in").mkdir()
    for number in range(60):
        cv2.imwrite(str(tmp_path / "in" / f"{number:02}.png"), numbered_frame(number, (256, 320)))
    sink = Kept()
    named = [Camera("folder", str(tmp_path / "in")), Camera("cam", cameras[0].url)]
    with watched_detector(tmp_path, [WholeBackend(0.02)]) as detector, Watcher(detector, named, [sink]) as watcher:
        until(lambda: sink.by["folder"] == 60)
        order = [camera for camera, _, _ in sink.results]
        beside = order[
            order.index("cam") :
        ]  # until it is connected, which takes long on a busy machine, there is no other
        assert beside.count("folder") > 5 and beside.count("cam") >= 2 / 3 * beside.count("folder")
        until(lambda: by_name(watcher)["folder"].source.state == "ended")
        assert not watcher.wait(0)


def test_it_ends_when_all_files_are_at_their_end(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), numbered_frame(1, (32, 64)))
    sink = Kept()
    with (
        number_detector(tmp_path) as detector,
        Watcher(detector, [Camera("a", str(tmp_path / "a.png"))], [sink]) as watcher,
    ):
        assert watcher.wait(30)
    assert sink.by == {"a": 1}


@pytest.mark.slow
def test_stopping_is_quick_whatever_a_camera_does(
    cameras: list[RtspCamera], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing sleeps a backoff to its end, or waits for a camera that says nothing."""
    cameras[0].mute = True
    cameras[1].down()
    sink = Kept()
    named = [Camera(f"cam{number}", camera.url) for number, camera in enumerate(cameras)]
    with watched_detector(tmp_path, [WholeBackend()]) as detector:
        watcher = Watcher(detector, named, [sink])
        watcher.start()
        until(lambda: sink.by["cam2"] > 3)
        watcher.stop()
        watcher.stop()
    until(lambda: not [thread for thread in threading.enumerate() if thread.name == "yolorknn-source"])


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda: Camera("", "camera0"), "a camera has a name"),
        (lambda: Camera("a", "camera0", weight=0), "weight of a is above 0"),
        (lambda: Camera("a", "camera0", fps=-1), "fps of a is above 0"),
        (lambda: Camera("a", "camera0", silence=float("nan")), "silence of a is above 0"),
    ],
)
def test_what_no_camera_can_be(wrong: Callable[[], Camera], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        wrong()


def test_names_are_their_own(tmp_path: Path) -> None:
    with number_detector(tmp_path) as detector:
        for named in ([], [Camera("a", "camera0"), Camera("a", "camera1")]):
            with pytest.raises(ValueError, match="at least one"):
                Watcher(detector, named)


def test_the_frame_and_its_age_are_the_cameras(cameras: list[RtspCamera], tmp_path: Path) -> None:
    ages, numbers = list[float](), list[int]()

    class Looks(Kept):
        def write(self, result: Result[Any]) -> None:
            ages.append(time.monotonic() - result.arrived)
            numbers.append(number_in(result.frame))

    with (
        watched_detector(tmp_path, [WholeBackend()]) as detector,
        Watcher(detector, [Camera("a", cameras[0].url, fps=20)], [Looks()]) as watcher,
    ):
        until(lambda: len(ages) > 10)
        assert by_name(watcher)["a"].source.frames["unwanted"] > 5
    assert min(ages) > 0 and len(set(numbers)) > 5
