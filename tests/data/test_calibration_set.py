"""What int8 is calibrated with: every kind of set names the same images, letterboxed as the detector does."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from tests.conftest import DATASET
from tests.fakes.videos import miscount, quarters, turn, write_video
from yolorknn.errors import CalibrationError
from yolorknn.image import Canvas, letterbox, read_image
from yolorknn.stream.sources.images import Images

IMAGES = sorted((DATASET / "images").glob("*.jpg"))


def open_set(source: Path | str) -> Any:
    from yolorknn.data.calibration_set import CalibrationSet

    return CalibrationSet.open(source)


def test_calibration_images_are_what_the_detector_sees(tmp_path: Path) -> None:
    awkward = tmp_path / "a folder, né 1"
    awkward.mkdir()
    for path in IMAGES[:3]:
        shutil.copy(path, awkward / f"img {path.name}")
    listing, count, digest = open_set(awkward).write(tmp_path, canvas=Canvas((192, 320)))
    names = listing.read_text().split()
    assert count == len(names) == 3 and len(digest) == 64
    for name, path in zip(names, IMAGES[:3], strict=True):
        pixels, _ = letterbox(read_image(path), (192, 320))
        assert np.array_equal(np.load(tmp_path / name), pixels.transpose(2, 0, 1)[None])


def test_every_kind_of_calibration_set_names_the_same_images(tmp_path: Path) -> None:
    folder = open_set(DATASET / "images").images
    assert list(folder) == IMAGES
    assert open_set(DATASET / "dataset.txt").images == folder
    assert open_set(DATASET / "data.yaml").images == folder
    assert open_set(DATASET).images == folder
    assert open_set(IMAGES[0]).images == (IMAGES[0],)


def test_a_video_is_sampled_evenly(tmp_path: Path) -> None:
    path = tmp_path / "v.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 25.0, (64, 48))
    for number in range(450):
        writer.write(np.full((48, 64, 3), number // 2, np.uint8))
    writer.release()
    levels = [int(frame.mean().round()) for frame in open_set(path).frames()]
    assert 100 <= len(levels) <= 200 and levels[0] <= 2 and levels[-1] >= 220


def test_calibration_sets_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "none.txt").write_text("\n\n")
    (tmp_path / "absent.txt").write_text("img one.jpg\n")
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9.jpg\n")
    (tmp_path / "binary.txt").write_bytes(b"\x89PNG\0\xff\n")
    (tmp_path / "bad.yaml").write_text("{")
    (tmp_path / "no.yaml").write_text("names: [a]\n")
    (tmp_path / "away.yaml").write_text("train: nowhere\n")
    (tmp_path / "x.pdf").write_bytes(b"")
    for name, words in {
        "absent": "there is no dataset",
        "empty": "has no images",
        "none.txt": "has no images",
        "absent.txt": r"absent.txt, line 1: there is no image .*img one.jpg",
        "latin.txt": r"latin.txt, line 1: there is no image .*café.jpg",
        "binary.txt": "cannot read the list",
        "bad.yaml": "cannot read",
        "no.yaml": "names no 'train'",
        "away.yaml": "names nowhere",
        "x.pdf": "is not a folder",
    }.items():
        with pytest.raises(CalibrationError, match=words):
            open_set(tmp_path / name)
    (tmp_path / "damaged.jpg").write_bytes(b"\xff\xd8junk")
    with pytest.raises(CalibrationError, match=r"damaged.jpg is not a readable image"):
        list(open_set(tmp_path / "damaged.jpg").frames())
    (tmp_path / "v.mp4").write_bytes(b"junk")
    with pytest.raises(CalibrationError, match="is not a video or image that OpenCV can read"):
        open_set(tmp_path / "v.mp4").write(tmp_path / "empty", canvas=Canvas((32, 32)))


@pytest.mark.parametrize("said", [0, 10, 450, 100000])
def test_a_video_is_sampled_to_its_end_whatever_it_says(tmp_path: Path, said: int) -> None:
    path = tmp_path / "v.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 25.0, (64, 48))
    for number in range(450):
        writer.write(np.full((48, 64, 3), number // 2, np.uint8))
    writer.release()
    miscount(path, said)
    levels = [int(frame.mean().round()) for frame in open_set(path).frames()]
    assert 100 <= len(levels) <= 200 and levels[0] <= 2 and levels[-1] >= 220
    assert max(np.diff(levels)) <= 3, "evenly"


def test_a_turned_video_is_turned(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.mp4", [quarters(96, 160)] * 3, [0, 0.1, 0.2])
    turn(path, 90)
    assert {frame.shape for frame in open_set(path).frames()} == {(160, 96, 3)}


def test_what_else_detect_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from yolorknn.data import spread
    from yolorknn.data.calibration_set import CalibrationSet

    assert open_set(DATASET / "images/*.jpg").images == tuple(IMAGES)
    (tmp_path / "clip").write_bytes(
        write_video(tmp_path / "v.mp4", [quarters(96, 160)] * 3, [0, 0.1, 0.2]).read_bytes()
    )
    assert len(list(open_set(tmp_path / "clip").frames())) == 3, "of any suffix"
    opened: list[str] = []

    def camera(source: str) -> Images:
        opened.append(source)
        return Images([np.full((48, 64, 3), number, np.uint8) for number in range(7)])

    monkeypatch.setattr(spread, "open_source", camera)
    monkeypatch.setattr(spread, "EVERY", 0.0)
    monkeypatch.setattr(spread, "LIVE", 5)
    for source in (Path("camera0"), "rtsp://me:secret@host/live", Path("rtsp://me:secret@host/live")):
        found = open_set(source)
        assert [int(frame.mean()) for frame in found.frames()] == list(range(5))
        assert "secret" not in str(found.source) and found.images == ()
    assert opened == ["camera0", "rtsp://me:secret@host/live", "rtsp://me:secret@host/live"]
    many = CalibrationSet.of(np.full((4, 4, 3), number // 4, np.uint8) for number in range(1000))
    levels = [int(frame.mean()) for frame in many.frames()]
    assert 100 <= len(levels) <= 200 and levels[0] == 0 and levels[-1] >= 247
    with pytest.raises(CalibrationError, match="no image matches"):
        open_set(tmp_path / "*.jpg")
    with pytest.raises(CalibrationError, match="there is no camera /dev/video63"):
        monkeypatch.undo()
        list(open_set(Path("camera63")).frames())


def test_items_are_spread() -> None:
    from yolorknn.data.spread import spread

    for count in (0, 1, 7, 8, 9, 100, 1023):
        kept = spread(iter(range(count)), 8)
        assert len(kept) == count if count <= 8 else 4 <= len(kept) <= 8
        assert len(set(np.diff(kept))) <= 1 and (not kept or (kept[0] == 0 and kept[-1] >= count - count / 4 - 1))
