"""Where frames come from: what each kind of source gives, and what is said of one that does not."""

from __future__ import annotations

import os
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.conftest import DATASET
from tests.fakes.videos import QUARTERS, greys, miscount, quarters, turn, write_video
from yolorknn.errors import SourceError
from yolorknn.image import read_image
from yolorknn.stream.sinks.video import VideoWriter
from yolorknn.stream.sources.capture import count_frames, open_video
from yolorknn.stream.sources.images import ImageFiles
from yolorknn.stream.sources.open_live import open_any
from yolorknn.stream.sources.open_source import has_many_frames, open_source


def write_images(folder: Path, *names: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names):
        ok, data = cv2.imencode(Path(name).suffix, np.full((20, 30, 3), number * 10, np.uint8))
        assert ok
        (folder / name).write_bytes(data.tobytes())


def read_all(source: object) -> list[np.ndarray]:
    opened = open_source(source)  # type: ignore[arg-type]
    images = []
    while (frame := opened.read()) is not None:
        images.append(frame.image)
    assert opened.read() is None, "the end stays the end"
    opened.close()
    return images


def test_folders_globs_and_images_with_awkward_names(tmp_path: Path) -> None:
    folder = tmp_path / "sp ace é [1]"
    write_images(folder, "b.png", "a 1.png", "C.PNG")
    (folder / "notes.txt").write_text("no image")
    (folder / "._b.png").write_text("what macOS leaves beside each file on other disks")
    source = open_source(folder)
    assert isinstance(source, ImageFiles)
    assert [path.name for path in source.paths] == ["C.PNG", "a 1.png", "b.png"]
    assert source.count == 3 and not source.live and source.name == "sp ace é [1]"
    given = [frame for _ in range(3) if (frame := source.read())]
    assert [frame.source for frame in given] == [str(path) for path in source.paths]
    assert len(read_all(str(folder))) == 3
    write_images(tmp_path / "plain", "x.png", "y.png", "z.jpg")
    assert len(read_all(str(tmp_path / "plain/*.png"))) == 2
    assert [image.shape for image in read_all(folder / "a 1.png")] == [(20, 30, 3)]


def test_grey_alpha_and_16_bit_images_become_bgr(tmp_path: Path) -> None:
    arrays: dict[str, np.ndarray] = {
        "grey.png": np.zeros((4, 5), np.uint8),
        "alpha.png": np.zeros((4, 5, 4), np.uint8),
        "deep.png": np.full((4, 5, 3), 65535, np.uint16),
    }
    for name, array in arrays.items():
        cv2.imwrite(str(tmp_path / name), array)
        image = read_image(tmp_path / name)
        assert image.shape == (4, 5, 3) and image.dtype == np.uint8


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("absent.jpg", "there is no file absent.jpg"),
        ("no*.jpg", "no image matches"),
        ("camera63", "there is no camera /dev/video63"),
        (63, "there is no camera /dev/video63"),
        ("/dev/video63", "there is no camera"),
        ("rtsp://user:secret@127.0.0.1:1/live", r"no video from rtsp://127\.0\.0\.1:1/live"),
    ],
)
def test_sources_that_are_not_there(source: str | int, words: str) -> None:
    with pytest.raises(SourceError, match=words):
        open_source(source)


def test_sources_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match="has no images"):
        open_source(tmp_path / "empty")
    (tmp_path / "v.mp4").write_bytes(b"junk")
    with pytest.raises(SourceError, match="not a video or image"):
        open_source(tmp_path / "v.mp4")
    for name, content in {"zero.jpg": b"", "junk.png": b"junk"}.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(SourceError, match=f"{name} is not a readable image"):
            open_source(tmp_path / name).read()


def test_a_video_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says so, and does not blame the video; of any user here, also of root, who may read all."""
    (tmp_path / "v.mp4").write_bytes(b"junk")
    monkeypatch.setattr("os.access", lambda path, mode: mode == os.F_OK)
    with pytest.raises(SourceError, match=r"cannot read the video .*v\.mp4: Permission denied"):
        open_source(tmp_path / "v.mp4")


def test_a_frame_says_its_source(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "clip.mp4", fps=25, size=(48, 64)) as writer:
        writer.write(np.zeros((48, 64, 3), np.uint8))
    write_images(tmp_path, "a.png")
    for source, said, clock in [
        (writer.path, str(writer.path), "video"),  # .mkv where there is no PyAV
        (tmp_path / "a.png", str(tmp_path / "a.png"), "unix"),
        ([np.zeros((4, 4, 3), np.uint8)], "frames", "unix"),
    ]:
        opened = open_source(source)  # type: ignore[arg-type]
        before = time.time()
        frame = opened.read()
        assert frame is not None and frame.source == said and frame.clock == clock
        assert frame.timestamp == 0 if clock == "video" else before <= frame.timestamp <= time.time()
        opened.close()


def test_arrays_must_be_images() -> None:
    assert len(read_all([np.zeros((4, 4, 3), np.uint8)] * 3)) == 3
    with pytest.raises(ValueError, match="an image is"):
        read_all([np.zeros((4, 4))])


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (np.zeros((4, 4, 3), np.uint8), r"\(4, 4, 3\) is one image"),
        (np.zeros((4, 4), np.uint8), "is one image"),
        (None, "not NoneType"),
        (np.int64(0), "not int64"),
    ],
)
def test_what_is_no_source(given: object, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        open_source(given)  # type: ignore[arg-type]
    assert len(read_all(np.zeros((2, 4, 4, 3), np.uint8))) == 2
    with pytest.raises(ValueError, match="fps is of a camera or stream"):
        open_any("camera63", fps="5")  # type: ignore[arg-type]


def test_what_has_many_frames_by_its_name(tmp_path: Path) -> None:
    assert all(map(has_many_frames, ["video.mp4", str(tmp_path), "images/*.png", "frames.mkv"]))
    assert not any(
        map(has_many_frames, ["camera0", "0", "/dev/video12", "rtsp://host/1", "http://host/a.mp4", "a.jpg", "A.PNG"])
    )


@pytest.mark.parametrize(
    ("kept", "many"), [("rtsp://host/1", False), ("camera0", False), ("a.jpg", False), ("v.mp4", True)]
)
def test_what_stands_in_a_file_has_as_many_frames_as_what_is_named(tmp_path: Path, kept: str, many: bool) -> None:
    (tmp_path / "cam.source").write_text(f"{kept}\n")
    assert has_many_frames(f"@{tmp_path}/cam.source") is many is has_many_frames(kept)


def test_a_source_in_a_file(tmp_path: Path) -> None:
    """So that no list of processes shows a URL's password."""
    (tmp_path / "cam.source").write_text(f"{DATASET / 'images/0000.jpg'}\nrest\n")
    assert open_source(f"@{tmp_path}/cam.source").count == 1
    (tmp_path / "@a.jpg").write_bytes((DATASET / "images/0000.jpg").read_bytes())
    assert open_source(str(tmp_path / "@a.jpg")).count == 1
    for text in ("", "@x\n"):
        (tmp_path / "cam.source").write_text(text)
        with pytest.raises(SourceError, match="holds no source"):
            open_source(f"@{tmp_path}/cam.source")
    with pytest.raises(SourceError, match="cannot read the source"):
        open_source("@absent")


@pytest.mark.parametrize("name", ["camera" + "1" * 5000, "1" * 5000, "a" * 300, "a\0b", "camera٣", "x" * 5000 + ".jpg"])
def test_names_that_no_file_can_have(name: str) -> None:
    with pytest.raises(SourceError, match="there is no file"):
        open_source(name)


@pytest.mark.parametrize(
    ("degrees", "order"), [(0, [0, 1, 2, 3]), (90, [2, 0, 3, 1]), (180, [3, 2, 1, 0]), (270, [1, 3, 0, 2])]
)
def test_a_video_is_turned_as_a_player_turns_it(tmp_path: Path, degrees: int, order: list[int]) -> None:
    path = write_video(tmp_path / "v.mp4", [quarters(96, 160)] * 3, [0, 0.1, 0.2])
    turn(path, degrees)
    for image in read_all(path):
        assert image.shape == ((160, 96, 3) if degrees % 180 else (96, 160, 3))
        assert greys(image) == pytest.approx([QUARTERS[number] for number in order], abs=4)


def test_times_are_the_files(tmp_path: Path) -> None:
    times = [0, 0.033, 0.5, 0.51, 2, 2.25]
    path = write_video(tmp_path / "v.mp4", [np.full((48, 64, 3), 40 * n, np.uint8) for n in range(6)], times)
    source = open_source(path)
    frames = [frame for _ in times if (frame := source.read())]
    assert [frame.timestamp for frame in frames] == pytest.approx(times, abs=0.001)
    assert [int(frame.image.mean()) for frame in frames] == pytest.approx([40 * n for n in range(6)], abs=4)
    source.close()


def test_frames_can_be_passed_over(tmp_path: Path) -> None:
    times = [n / 10 for n in range(6)]
    path = write_video(tmp_path / "v.mp4", [np.full((48, 64, 3), 40 * n, np.uint8) for n in range(6)], times)
    source = open_video(path)
    assert source.skip() and source.skip()
    frame = source.read()
    assert (
        frame is not None and frame.timestamp == pytest.approx(0.2) and frame.image.mean() == pytest.approx(80, abs=4)
    )
    assert [source.skip() for _ in range(4)] == [True, True, True, False]
    assert source.read() is None
    source.close()


@pytest.mark.parametrize("said", [0, 3, 100000])
def test_frames_are_counted_whatever_the_file_says(tmp_path: Path, said: int) -> None:
    path = tmp_path / "v.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 25.0, (64, 48))
    for number in range(30):
        writer.write(np.full((48, 64, 3), number, np.uint8))
    writer.release()
    miscount(path, said)
    assert count_frames(path) == 30


def test_what_stands_in_a_stream_for_a_video(tmp_path: Path) -> None:
    """A file without times: a raw stream of JPEGs."""
    data = b"".join(cv2.imencode(".jpg", np.full((48, 64, 3), 50 * n, np.uint8))[1].tobytes() for n in range(4))
    (tmp_path / "v.mjpg").write_bytes(data)
    source = open_source(tmp_path / "v.mjpg")
    times = [frame.timestamp for _ in range(4) if (frame := source.read())]
    source.close()
    assert times == pytest.approx([n / source.fps for n in range(4)], abs=0.001)


def test_after_an_array_that_is_no_image_the_others_come() -> None:
    images = [np.zeros((4, 4, 3), np.uint8), np.zeros((4, 4), np.uint8), np.ones((4, 4, 3), np.uint8)]
    source = open_source(images)
    assert source.read() is not None
    with pytest.raises(SourceError, match="an image is a uint8 array") as refused:
        source.read()
    assert isinstance(refused.value, ValueError)
    last = source.read()
    assert last is not None and last.image.all() and source.read() is None
